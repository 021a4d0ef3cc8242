"""Questions about damage, for your own servers, repositories and hypotheses. They only read."""

from __future__ import annotations

from pathlib import Path

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.connect import connect, split_password
from chaoslab.postgres.corruption.damaging import require_place
from chaoslab.postgres.corruption.detecting import chosen
from chaoslab.postgres.corruption.settling import require_choices
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.programs.commands import last_line
from chaoslab.postgres.programs.tools import running
from chaoslab.postgres.server import server_major
from chaoslab.postgres.snapshot import ask
from chaoslab.postgres.telling import tell
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current, has_session
from chaoslab.runtime.steps import step

_AMCHECK_FOUND = 2


class CannotLook(ChaoslabError):
    """A check could not run, so it says nothing: neither sound nor damaged."""


@step("baseline")
def choices_make_sense(what: str, where: str, detectors: str, checksums: str) -> bool:
    """Say whether the drill was asked for something that there is, before anything is made.

    Args:
        what: heap, index, wal or backup
        where: data, silent or free
        detectors: `all`, or names with commas between
        checksums: on or off

    Raises:
        BadUsage: something makes no sense; says what to choose of.
    """
    require_choices(what, checksums)
    require_place(what, where)
    return bool(chosen(detectors, what))


@step("verify")
def checksums_enabled(dsn: str) -> bool:
    """Say whether a server's pages have checksums: without them, flipped bytes are read as though they were data.

    Args:
        dsn: any database of the server

    Raises:
        ConnectFailed: the server cannot be reached.
    """
    _register(dsn)
    with connect(dsn) as connection:
        row = ask(lambda: connection.execute("SHOW data_checksums").fetchone(), "data_checksums")
    return row is not None and row[0] == "on"


@step("verify")
def checksum_failures(dsn: str) -> int:
    """Return how many pages with a wrong checksum the server has met since its statistics were reset.

    Anything but 0 is damage that somebody has read already: the server's log names the pages.

    Args:
        dsn: any database of the server

    Raises:
        ConnectFailed: the server cannot be reached.
        CannotLook: its pages have no checksums, so it counts nothing.
    """
    _register(dsn)
    query = "SELECT sum(checksum_failures)::bigint FROM pg_stat_database"
    with connect(dsn) as connection:
        row = ask(lambda: connection.execute(query).fetchone(), "pg_stat_database")
    if row is None or row[0] is None:
        raise CannotLook("the server's pages have no checksums, so it counts no failures; see pg_checksums --enable")
    return int(row[0])


@step("verify")
def amcheck(dsn: str, heapallindexed: bool = True, bin_dir: str = "", deadline: str = "4h") -> bool:
    """Say whether `pg_amcheck` finds every table and B-tree of a database sound. It reads all of them.

    Args:
        dsn: the database; the extension amcheck must be in it, and the role must be allowed to call it
        heapallindexed: check also that each row has its index entries, which takes about twice as long
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long it may take

    Raises:
        ConnectFailed: the database cannot be reached.
        CannotLook: amcheck is not in the database, may not be called, or took too long.
        Missing: pg_amcheck is not installed.
    """
    _register(dsn)
    with connect(dsn) as connection:
        query = "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'"
        row = ask(lambda: connection.execute(query).fetchone(), "the extensions")
    if not row or not row[0]:
        raise CannotLook("the extension amcheck is not in the database: CREATE EXTENSION amcheck (postgresql-contrib)")
    program = find_binaries(server_major(dsn), bin_dir).program("pg_amcheck")
    conninfo, secret = split_password(dsn)
    options = ["--heapallindexed"] if heapallindexed else []
    with running([program, *options, "--no-password", conninfo], environment=secret) as process:
        ended = process.wait(seconds("deadline", deadline), _watch)
    if ended.status not in {0, _AMCHECK_FOUND}:
        raise CannotLook(f"pg_amcheck could not check: {last_line(ended.messages)}")
    return ended.status == 0


@step("verify")
def backup_verifies(backups: str, wal: str, label: str = "", bin_dir: str = "", deadline: str = "4h") -> bool:
    """Say whether base backups are, file by file, what their manifests say. Reads all of them.

    In a run, each difference becomes a finding.

    Args:
        backups: the folder that holds the base backups of pg_basebackup, plain or tar
        wal: the folder of the archived WAL
        label: one of them; '' for all
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long each may take

    Raises:
        BadUsage: there is no such backup.
        RepositoryFailed: the folders cannot be read, or hold no backup.
        CannotLook: a backup has no manifest or other list to compare with.
    """
    repository = open_repository("folder", backups=backups, wal=wal, bin_dir=bin_dir)
    known = repository.backups()
    wanted = [one for one in known if label in {"", one.label}]
    if not wanted:
        names = ", ".join(one.label for one in known)
        raise BadUsage(f"label: {Path(backups)} holds no base backup {label!r}; it holds {names}")
    sound = True
    for one in wanted:
        found = repository.check(one, deadline_s=seconds("deadline", deadline), watch=_watch)
        broken = [difference for difference in found if difference.severity == "failure"]
        if found and not broken:
            raise CannotLook(found[0].message)
        if has_session():
            tell(current(), broken)
        sound = sound and not broken
    return sound


def _register(dsn: str) -> None:
    if has_session():
        current().secrets.register_dsn(dsn)


def _watch() -> None:
    if has_session():
        current().check_abort()
