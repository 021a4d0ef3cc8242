"""Backups of many nights, as a script or `chaoslab backup` leaves them, and the drill that looks at them."""

import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chaoslab.backup.sets import BackupSet, DatabaseEntry, ServerEntry, StoredFile
from chaoslab.backup.stamp import stamp_of
from chaoslab.core.spec import parse_spec
from chaoslab.engine.opening import Wishes
from chaoslab.engine.runner import run_exercise
from chaoslab.engine.variables import given_of

DRILL = Path(__file__).parents[3] / "drills/backup-freshness/drill.yaml"
BEGIN, END = "-- PostgreSQL database dump\n", "-- PostgreSQL database dump complete\n"
SERVER = "db-1:5432"


class Looked:
    """What one run of the drill came to."""

    def __init__(self, outcome):
        self.folder, self.record = outcome.folder, outcome.record
        self.outcome, self.exit_code = outcome.verdict.outcome, outcome.exit_code
        self.verdict = outcome.verdict
        self.parts = {part.name: part for part in outcome.record.parts}

    def findings(self, severity="failure"):
        return {(one.code, one.where) for one in self.record.findings if one.severity == severity}

    def codes(self, severity="failure"):
        return {code for code, _ in self.findings(severity)}

    def message(self, code):
        return next(one.message for one in self.record.findings if one.code == code)

    def __repr__(self):
        lines = [f"{one.severity} {one.code} at {one.where}: {one.message}" for one in self.record.findings]
        lines += [f"step {one.name} {one.outcome} {one.error}" for one in self.record.steps if one.outcome != "ok"]
        return "\n".join([f"{self.outcome} ({self.exit_code})", *self.verdict.reasons, *lines])


def look(folder, **variables):
    """Run the drill in this process, with an objective of a day: dumps alone cannot promise 15 minutes."""
    rpo = variables.pop("rpo", "26h")
    text = DRILL.read_text().replace("{rpo: 15m}", f"{{rpo: {rpo}}}")
    pairs = [f"{name}={value}" for name, value in variables.items()]
    wishes = Wishes(reports=folder / "reports", state=folder / "state")
    return Looked(run_exercise(parse_spec(text, str(DRILL)), given_of(pairs), wishes))


def now():
    return datetime.now(UTC)


def plain_dump(path, *, size=20_000, at=None):
    """Write a plain dump that is whole, and date its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BEGIN + "x" * (size - len(BEGIN) - len(END)) + END)
    if at is not None:
        os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def script(folder, databases=("shop", "users"), nights=8):
    """Write what a nightly script leaves: a dump of each database and night, the newest an hour ago."""
    for age in range(nights):
        at = now() - timedelta(days=age, hours=1)
        for name in databases:
            plain_dump(folder / f"{name}_{at:%Y%m%dT%H%M%SZ}.sql", at=at)
    return folder


def archive(binaries, dsn, path, *options):
    """Dump a database with pg_dump in its custom format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [binaries.program("pg_dump"), "--format=custom", *options, f"--file={path}", f"--dbname={dsn}"]
    subprocess.run(command, check=True)
    return path


def newest(folder, name):
    """Return the newest dump of a database."""
    return sorted(folder.glob(f"{name}_*.sql"))[-1]


def store(folder, databases=("shop", "users"), ages_days=range(8), *, size=20_000):
    """Write what `chaoslab backup` leaves; the oldest first, so that dates of folders look as they would."""
    for age in sorted(ages_days, reverse=True):
        one_set(folder, now() - timedelta(days=age, hours=1), databases, size=size)
    return folder


def one_set(folder, at, databases=("shop", "users"), *, size=20_000, failed=()):
    """Write one set, whole."""
    stamp = stamp_of(at)
    run = folder / stamp
    run.mkdir(parents=True)
    entries = tuple(
        DatabaseEntry(SERVER, name, "failed", error="the disk was full")
        if name in failed
        else _database(run, name, at, size)
        for name in databases
    )
    roles = _written(run, "db-1_5432.globals.sql", b"CREATE ROLE shop;\n")
    servers = (ServerEntry(SERVER, "ok", server_major=15, files=(roles,)),)
    said = BackupSet(stamp, at.isoformat(), at.isoformat(), "host", "0.1.0", servers, entries)
    (run / "set.json").write_text(said.to_json())
    return run


def _database(run, name, at, size):
    stem = f"{name}-{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}Z"
    dump = _written(run, f"{stem}.dump", (BEGIN + "x" * (size - len(BEGIN))).encode())
    told = {"format": 1, "dump": dump.path, "database": name, "taken_at": at.isoformat()}
    told["files"] = [{"path": dump.path, "bytes": dump.bytes, "sha256": dump.sha256}]
    manifest = _written(run, f"{stem}.manifest.json", json.dumps(told).encode())
    return DatabaseEntry(
        SERVER,
        name,
        "ok",
        taken_at=at.isoformat(),
        bytes=size,
        dump=dump.path,
        manifest=manifest.path,
        files=(dump, manifest),
    )


def _written(run, name, content):
    (run / name).write_bytes(content)
    return StoredFile(name, len(content), hashlib.sha256(content).hexdigest())
