"""Take a dump of a live database, and its facts in the very same snapshot. Only reads from the source.

A source that keeps changing would differ from any dump a moment later. So one transaction exports its
snapshot, and pg_dump and the connections that count and digest rows all look at that.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import connect, split_password
from chaoslab.postgres.facts import Facts, Level, collect_facts, sequences
from chaoslab.postgres.logical.archive import Backup, open_backup
from chaoslab.postgres.logical.manifest import FORMAT, describe_files, files_of, write_manifest
from chaoslab.postgres.logical.pace import Pace
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import last_line
from chaoslab.postgres.programs.tools import POLL_S, Ended, TookTooLong, running
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.snapshot import ask, cancel, shared_snapshot
from chaoslab.runtime.clock import CLOCK

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

DumpFormat = Literal["custom", "directory"]

_LOCK_WAIT = "10s"
_AFTER_US_S = 10.0
"""How long pg_dump waits behind somebody who changes a table, before it gives up: others queue behind it."""
_PARTIAL = ".partial"


class BackupFailed(ChaoslabError):
    """No dump was made, and nothing half-made is left."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a dump is to be made."""

    format: DumpFormat = "custom"
    jobs: int = 2
    """Connections that dump (directory format only) and that digest, each."""
    compression: int = 1
    """gzip level; 1 makes the dump a little larger than 6 does, in a third of the time."""
    deadline_s: float = 3600.0
    audit: AuditRule | None = None
    facts: bool = True
    """Take the facts of the snapshot; without them there is no manifest, and nothing to verify a restore against."""
    level: Level = "data"
    """How deep the facts look: `counts` saves the reading of every row."""
    roles: bool = True
    """Dump the roles too; who dumps many databases of one server does that once."""
    pace: Pace | None = None
    """Bounds how fast pg_dump writes."""
    watch: Callable[[], None] = field(default=lambda: None)
    """Called again and again; what it raises stops the dump."""


def take_backup(source_dsn: str, folder: Path, binaries: Binaries, wish: Wish | None = None) -> Backup:
    """Dump a database and its roles into a folder, with a manifest of the snapshot's facts.

    Args:
        source_dsn: the database
        folder: where the files go; it is made if need be
        binaries: PostgreSQL programs at least as new as the source
        wish: format, parallelism, deadline

    Raises:
        ConnectFailed: the source cannot be reached.
        CannotRead: something in the source cannot be read.
        BackupFailed: pg_dump failed, the disk is full, or it took too long.
    """
    wish = wish or Wish()
    begun_mono_s = CLOCK.mono()
    leading = connect(source_dsn, who="the source", statement_timeout_s=wish.deadline_s)
    with leading as leader, _nothing_half_made(folder) as name_files:
        with shared_snapshot(leader) as snapshot:
            about = _about(leader)
            dump, globals_path = name_files(about["database"], about["taken_at"], wish.format)
            facts = _dump_and_facts(source_dsn, dump, binaries, wish, leader=leader, snapshot=snapshot)
        globals_error = _dump_globals(source_dsn, globals_path, binaries, wish) if wish.roles else ""
        kept = [globals_path] if wish.roles and not globals_error else []
        _publish([dump, *kept])
        if facts is None:
            return open_backup(_final(dump), binaries)
        final_dump, final_kept = _final(dump), [_final(path) for path in kept]
        manifest = {
            "format": FORMAT,
            "dump": final_dump.name,
            "dump_format": wish.format,
            **about,
            "snapshot": snapshot,
            "duration_s": round(CLOCK.mono() - begun_mono_s, 3),
            "globals": final_kept[0].name if final_kept else None,
            "globals_error": globals_error,
            "files": describe_files(folder, files_of(final_dump, *final_kept)),
            "facts": facts,
        }
        write_manifest(final_dump, manifest)
    return open_backup(final_dump, binaries)


def _dump_and_facts(
    dsn: str, dump: Path, binaries: Binaries, wish: Wish, *, leader: Connection, snapshot: str
) -> Facts | None:
    """Have pg_dump and our own connections look at one snapshot at the same time."""
    if not wish.facts:
        _dump(dsn, dump, binaries, wish, snapshot=snapshot, taking=Future())
        return None
    begun_s = CLOCK.mono()
    before = ask(lambda: sequences.positions(leader), "sequences")
    opened: list[Connection] = []
    with ThreadPoolExecutor(1, thread_name_prefix="facts") as pool:
        taking = pool.submit(
            collect_facts,
            dsn,
            who="the source",
            snapshot=snapshot,
            level=wish.level,
            jobs=wish.jobs,
            audit=wish.audit,
            opened=opened,
            # The deadline is ours to tell in plain words; the server's own comes later, for when we are gone.
            statement_timeout_s=wish.deadline_s + _AFTER_US_S,
        )
        try:
            _dump(dsn, dump, binaries, wish, snapshot=snapshot, taking=taking)
            facts = _awaited(taking, wish, until_s=begun_s + wish.deadline_s)
        except BaseException:
            for connection in opened:
                cancel(connection)
            raise
    # A sequence does not stand still for a snapshot: the dump has it somewhere between these two readings.
    return {
        **facts,
        "sequences": before,
        "sequences_after": ask(lambda: sequences.positions(leader), "sequences"),
    }


def _awaited(taking: Future[Facts], wish: Wish, *, until_s: float) -> Facts:
    """Wait for the facts as one waits for a program: they hold the snapshot too."""
    while not taking.done():
        wish.watch()
        if CLOCK.mono() > until_s:
            raise TookTooLong(f"the facts of the dumped snapshot were not taken within {wish.deadline_s:g} s")
        CLOCK.sleep(POLL_S)
    return taking.result()


def _dump(dsn: str, dump: Path, binaries: Binaries, wish: Wish, *, snapshot: str, taking: Future[Facts]) -> None:
    def watch() -> None:
        wish.watch()
        if taking.done() and (broken := taking.exception()) is not None:
            raise broken

    conninfo, secret = split_password(dsn)
    options = [f"--format={wish.format}", f"--snapshot={snapshot}", f"--compress={wish.compression}"]
    options += [f"--lock-wait-timeout={_LOCK_WAIT}", "--no-password", f"--file={dump}"]
    options += [f"--jobs={wish.jobs}"] if wish.format == "directory" else []
    command: list[str | Path] = [binaries.program("pg_dump"), *options, f"--dbname={conninfo}"]
    with running(command, environment={**_libpq_environment(), **secret}) as program:
        ended = program.wait(wish.deadline_s, wish.pace.watching(program, dump, watch) if wish.pace else watch)
    if ended.status != 0:
        raise BackupFailed(_why(ended, dump.parent))


def _dump_globals(dsn: str, path: Path, binaries: Binaries, wish: Wish) -> str:
    """Dump roles without their passwords; return why that was not possible, or ''.

    Some hosted servers keep their roles to themselves; a dump without them is still worth verifying.
    """
    conninfo, secret = split_password(dsn)
    options = ["--globals-only", "--no-role-passwords", "--no-password", f"--file={path}"]
    command: list[str | Path] = [binaries.program("pg_dumpall"), *options, f"--dbname={conninfo}"]
    with running(command, environment={**_libpq_environment(), **secret}) as program:
        ended = program.wait(wish.deadline_s, wish.watch)
    if ended.status == 0:
        return ""
    if _is_disk_full(ended.messages):
        raise BackupFailed(_why(ended, path.parent))
    path.unlink(missing_ok=True)
    return last_line(ended.messages)


def dump_globals(dsn: str, path: Path, binaries: Binaries, *, deadline_s: float = 60.0) -> None:
    """Dump the roles of a server without their passwords.

    Args:
        dsn: any database of the server
        path: the file to write
        binaries: programs at least as new as the server
        deadline_s: seconds that it may take

    Raises:
        BackupFailed: the server does not show them, or the disk is full.
    """
    reason = _dump_globals(dsn, path, binaries, Wish(deadline_s=deadline_s))
    if reason:
        raise BackupFailed(f"the roles could not be dumped: {reason}")


def _about(leader: Connection) -> dict[str, Any]:
    query = """
        SELECT current_database(), current_setting('server_version'),
            current_setting('server_version_num')::integer / 10000,
            CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text,
            to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    """
    row = ask(lambda: leader.execute(query).fetchone(), "the source")
    assert row is not None
    names = ("database", "server_version", "server_major", "lsn", "taken_at")
    return dict(zip(names, row, strict=True))


@contextmanager
def _nothing_half_made(folder: Path) -> Iterator[Callable[[str, str, str], tuple[Path, Path]]]:
    """Yield what names the files of a dump; after an error, whatever is half-made is removed."""
    named: list[Path] = []

    def name_files(database: str, taken_at: str, form: str) -> tuple[Path, Path]:
        stamp = re.sub(r"[-:.]|\d\d\dZ$", "", taken_at) + "Z"
        stem = f"{re.sub(r'[^A-Za-z0-9_-]', '_', database)}-{stamp}"
        suffix = ".dump" if form == "custom" else ".dir"
        named.extend(folder / f"{stem}{end}{_PARTIAL}" for end in (suffix, ".globals.sql"))
        return named[0], named[1]

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield name_files
    except BaseException as broken:
        for path in named:
            for half in (path, _final(path)):
                shutil.rmtree(half) if half.is_dir() else half.unlink(missing_ok=True)
        if isinstance(broken, OSError) and broken.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise BackupFailed(f"the disk of {folder} is full") from None
        if isinstance(broken, OSError):
            raise BackupFailed(f"{folder} cannot be written: {broken.strerror}") from None
        raise


def _publish(paths: list[Path]) -> None:
    """Give whole files their names: a name without `.partial` promises a whole dump."""
    for path in paths:
        path.rename(_final(path))
    folder = os.open(paths[0].parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _final(partial: Path) -> Path:
    return partial.with_name(partial.name.removesuffix(_PARTIAL))


def _libpq_environment() -> dict[str, str]:
    """Return the caller's settings for libpq: psycopg heeds them too, and both must reach the same server."""
    return {name: value for name, value in os.environ.items() if name.startswith("PG") or name == "HOME"}


def _is_disk_full(messages: str) -> bool:
    return "No space left on device" in messages or "Disk quota exceeded" in messages


def _why(ended: Ended, folder: Path) -> str:
    if _is_disk_full(ended.messages):
        return f"the disk of {folder} is full: {ended.name} could not write the dump"
    return f"{ended.name} failed: {last_line(ended.messages)}"
