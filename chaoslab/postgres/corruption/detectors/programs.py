"""Detectors that are PostgreSQL's own programs: pg_amcheck, pg_checksums, pg_waldump, pg_verifybackup."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from chaoslab.postgres.connect import connect, split_password
from chaoslab.postgres.corruption.detectors.seeing import Ground, Seen, clean, saw, unknown
from chaoslab.postgres.physical.wal import parse_segment
from chaoslab.postgres.programs.commands import ServerUser, last_line
from chaoslab.postgres.programs.tools import running
from chaoslab.postgres.snapshot import ask

_AMCHECK_FOUND = 2
"""pg_amcheck's exit status when it ran and found something."""
_OUTPUT_MAX_BYTES = 100_000


def amcheck(ground: Ground) -> Seen:
    """Check every table and B-tree, and that each row has its index entries (`pg_amcheck --heapallindexed`)."""
    with connect(ground.dsn, who="the server") as connection:
        query = "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'"
        row = ask(lambda: connection.execute(query).fetchone(), "the extensions")
    if not row or not row[0]:
        return unknown("the extension amcheck is not in this database (package postgresql-contrib)")
    conninfo, secret = split_password(ground.dsn)
    status, said = _run(ground, ["pg_amcheck", "--heapallindexed", "--no-password", conninfo], secret)
    if status == 0:
        return clean("pg_amcheck found nothing")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return saw(" ".join(lines[:2])[:300]) if status == _AMCHECK_FOUND else unknown(last_line(said))


def pg_checksums(ground: Ground) -> Seen:
    """Verify all page checksums with the server stopped (`pg_checksums --check`); it is started again afterwards."""
    ground.cluster.stop("fast", ground.deadline_s)
    try:
        command = ["pg_checksums", "--check", "-D", str(ground.cluster.data)]
        status, said = _run(ground, command, user=ground.cluster.user)
    finally:
        ground.cluster.start(ground.deadline_s)
    if status == 0:
        return clean("pg_checksums found nothing")
    failed = [line for line in said.splitlines() if "checksum verification failed" in line]
    if not failed:
        return unknown(last_line(said))
    return saw(failed[0].removeprefix("pg_checksums: error: ").replace(f"{ground.cluster.data}/", ""))


def waldump(ground: Ground) -> Seen:
    """Read the archived WAL record by record, each with its CRC (`pg_waldump`), along each timeline."""
    segments = sorted(name for name in _names(ground.archive) if parse_segment(name) is not None)
    if not segments:
        return unknown(f"there is no WAL in {ground.archive}")
    read = 0
    for timeline in sorted({name[:8] for name in segments}):
        ours = [name for name in segments if name.startswith(timeline)]
        command = ["pg_waldump", "--path", str(ground.archive), ours[0], ours[-1]]
        status, said = _run(ground, command, output=False)
        if status > 0:
            return saw(last_line(said).removeprefix("pg_waldump: error: "))
        if status < 0:
            return unknown(f"pg_waldump was ended by signal {-status}")
        read += len(ours)
    return clean(f"{read} segments could be read")


def verifybackup(ground: Ground) -> Seen:
    """Compare every file of the base backups with its manifest (`pg_verifybackup`)."""
    if not ground.folders:
        return unknown("there is no base backup")
    for folder in ground.folders:
        if not (folder / "PG_VERSION").exists():
            return unknown(f"{folder.name} is no plain backup, and pg_verifybackup reads no other before version 18")
        if not (folder / "backup_manifest").exists():
            return unknown(f"{folder.name} has no manifest")
        command = ["pg_verifybackup", "--no-parse-wal", "--quiet", str(folder)]
        status, said = _run(ground, command, user=ground.cluster.user)
        if status < 0:
            return unknown(f"pg_verifybackup was ended by signal {-status}")
        if status > 0:
            return saw(f"{folder.name}: {last_line(said).removeprefix('pg_verifybackup: error: ')}")
    return clean(f"{len(ground.folders)} backups are what their manifests say")


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _run(
    ground: Ground,
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    *,
    user: ServerUser | None = None,
    output: bool = True,
) -> tuple[int, str]:
    """Run a program to its end; return its status, and what it wrote to stdout (if asked for) and to stderr.

    Raises:
        Missing: it is not installed.
        PostgresFailed: it could not be started, or took too long.
    """
    program = ground.binaries.program(command[0])
    with tempfile.TemporaryFile() as written:
        with running(
            [program, *command[1:]], environment=environment, user=user, stdout=written if output else None
        ) as process:
            ended = process.wait(ground.deadline_s, ground.watch)
        written.seek(0)
        return ended.status, written.read(_OUTPUT_MAX_BYTES).decode(errors="replace") + ended.messages
