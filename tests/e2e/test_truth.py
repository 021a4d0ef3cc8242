"""A stopwatch outside of the process says the same as the report: from the disaster to verified, and what was lost.

The source's own log says when it was asked for the last time, which is the disaster. The service's own check, a program
of this test, notes when it was content and which beats it found. Between them lie pauses that are known.
"""

import json
import re
import shlex
import sys
import threading
import time

import psycopg
import pytest

from chaoslab.postgres.backup import take_backup
from chaoslab.postgres.cluster import Cluster

TRIES = 3
"""A machine without time delays the drill and the stopwatch, and not by the same."""
PAUSE_S = 1.0
GAP_S = 1.5
BEAT_S = 0.02
CHECK = """\
import json, os, sys, time
import psycopg
time.sleep({pause})
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    beats = [row[0] for row in connection.execute("SELECT id FROM chaoslab.heartbeat")]
with open({notes!r}, "w") as file:
    json.dump({{"beats": beats, "content_at": time.monotonic()}}, file)
print("content")
"""


def close(ours_s, stopwatch_s):
    """Say whether two figures agree to 2 % or 50 ms."""
    return abs(ours_s - stopwatch_s) <= max(0.05, 0.02 * stopwatch_s)


@pytest.fixture(scope="module")
def source(binaries, passable_root):
    settings = {"log_statement": "all", "log_line_prefix": "%n ", "fsync": "off"}
    cluster = Cluster.create(passable_root / "truth", binaries, settings=settings)
    try:
        cluster.start()
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA chaoslab")
            connection.execute("CREATE TABLE chaoslab.heartbeat (id bigint PRIMARY KEY, at timestamptz NOT NULL)")
            connection.execute(
                "CREATE TABLE thing AS SELECT n AS id, md5(n::text) AS text FROM generate_series(1, 9999) n"
            )
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture
def slow_programs(binaries, passable_root, tmp_path):
    """PostgreSQL's programs, with a pg_restore that takes its time first."""
    folder = passable_root / tmp_path.name
    folder.mkdir(mode=0o755)
    for program in binaries.bin.iterdir():
        (folder / program.name).symlink_to(program)
    slow = folder / "pg_restore"
    slow.unlink()
    slow.write_text(f'#!/bin/sh\nsleep {PAUSE_S}\nexec {binaries.program("pg_restore")} "$@"\n')
    slow.chmod(0o755)
    return folder


class Writer:
    """Commits beats, notes when each was acknowledged, and pauses when told to."""

    def __init__(self, dsn, log):
        self._dsn, self._log = dsn, log
        self.acknowledged = {}
        self.may_go_on = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.may_go_on.set()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.may_go_on.set()
        self._thread.join()

    def _write(self):
        with psycopg.connect(self._dsn, autocommit=True) as connection, self._log.open("a") as log:
            [beat] = connection.execute("SELECT coalesce(max(id), 0) FROM chaoslab.heartbeat").fetchone()
            while not self._over.is_set():
                self.may_go_on.wait()
                beat += 1
                connection.execute("INSERT INTO chaoslab.heartbeat VALUES (%s, clock_timestamp())", (beat,))
                self.acknowledged[beat] = time.monotonic()
                log.write(f"postgres {beat} {time.time():.6f} {self.acknowledged[beat]:.6f}\n")
                log.flush()
                time.sleep(BEAT_S)


def disaster_at(source, log_from):
    """Return when the source was asked for its clock, by its own log, on this machine's monotonic clock."""
    with source.log.open() as file:
        file.seek(log_from)
        found = re.findall(
            r"^(\d+\.\d+) .*statement: SELECT extract\(epoch FROM clock_timestamp\(\)\)", file.read(), re.M
        )
    assert len(found) == 1
    return float(found[0]) - (time.time() - time.monotonic())


def drill(person, source, programs, notes, **more):
    """Run the drill with a check that notes what it saw; return the report and the stopwatch's notes."""
    check = person.folder / "check.py"
    check.write_text(CHECK.format(pause=PAUSE_S, notes=str(notes)))
    values = {
        "source": source.dsn(),
        "bin_dir": str(programs),
        "service_check": shlex.join([sys.executable, str(check)]),
        "audit": "",
        **more,
    }
    file = person.folder / "values.yaml"
    file.write_text(json.dumps({"configuration": values}))
    done = person.types("run", "postgres-restore", "--var-file", file, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), json.loads(notes.read_text())


def measure(person, source, programs, folder):
    """Return ours and the stopwatch's figures of one drill: rto, and the bounds of what was lost."""
    folder.mkdir()
    acks, notes = folder / "acks", folder / "notes.json"
    from chaoslab.postgres.binaries import find_binaries

    with Writer(source.dsn(), acks) as writer:
        while len(writer.acknowledged) < 20:
            time.sleep(0.01)
        backup = take_backup(source.dsn(), folder / "backup", find_binaries(14))
        writer.may_go_on.clear()
        time.sleep(GAP_S)
        writer.may_go_on.set()
        log_from = source.log.stat().st_size
        given = {"backup": str(backup.path), "heartbeat_acks": str(acks)}
        report, seen = drill(person, source, programs, notes, **given)
    disaster = disaster_at(source, log_from)
    before = {beat: at for beat, at in writer.acknowledged.items() if at <= disaster}
    newest = max(seen["beats"])
    kept = [at for beat, at in before.items() if beat <= newest]
    lost = [at for beat, at in before.items() if beat > newest]
    stopwatch = {
        "rto": seen["content_at"] - disaster,
        "lost at least": disaster - min(lost),
        "lost at most": disaster - max(kept),
    }
    actual = {one["name"]: one["actual"] for one in report["objectives"]}
    ours = {"rto": actual["rto"]["high"], "lost at least": actual["rpo"]["low"], "lost at most": actual["rpo"]["high"]}
    return ours, stopwatch


def test_our_figures_are_those_of_a_stopwatch(lonely, source, slow_programs, tmp_path):
    said = []
    for number in range(TRIES):
        ours, stopwatch = measure(lonely, source, slow_programs, tmp_path / f"try-{number}")
        assert stopwatch["rto"] > 2 * PAUSE_S
        assert stopwatch["lost at most"] > GAP_S
        said.append((ours, stopwatch))
        if all(close(ours[name], stopwatch[name]) for name in ours):
            return
    raise AssertionError(f"ours and the stopwatch's: {said}")
