"""Questions to a PostgreSQL server, for steady-state hypotheses. They change nothing."""

from __future__ import annotations

from pathlib import Path

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.connect import connect
from chaoslab.postgres.facts import content
from chaoslab.postgres.logical.archive import here, require_one_dump
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.recovery_point.heartbeat import TABLE, has_heartbeat
from chaoslab.postgres.server import server_major
from chaoslab.postgres.snapshot import ask
from chaoslab.runtime.arguments import count, seconds
from chaoslab.runtime.session import current, has_session
from chaoslab.runtime.steps import step

_PROGRAMS = ("initdb", "pg_ctl", "pg_dump", "pg_dumpall", "pg_restore", "psql")
_POLL_S = 0.05
JOBS_MAX = 256
"""More connections than that wait for each other on any machine, and few servers offer them."""
BACKUPS_MAX = 20
_warned: set[str] = set()
"""Runs that were told that nothing beats."""


@step("baseline")
def answers(dsn: str) -> bool:
    """Say whether the server answers a query.

    Args:
        dsn: the database

    Raises:
        ConnectFailed: it does not, and why; without the password.
    """
    if has_session():
        current().secrets.register_dsn(dsn)
    return server_major(dsn) > 0


@step("baseline")
def numbers_make_sense(jobs: int, workers: int = 0, backups: int = 1) -> bool:
    """Say whether a drill was asked for numbers that can be meant, before anything is made.

    Args:
        jobs: connections that read or write one database at the same time
        workers: databases in work at the same time; 0 leaves it to the machine
        backups: base backups to take

    Raises:
        BadUsage: one is out of its bounds; names it.
    """
    count("jobs", jobs, at_least=1, at_most=JOBS_MAX)
    count("workers", workers, at_least=0, at_most=JOBS_MAX)
    count("backups", backups, at_least=1, at_most=BACKUPS_MAX)
    return True


@step("baseline")
def backup_is_there(backup: str, globals: str = "") -> bool:
    """Say whether the dump that is to be restored can be one; none given means that the drill makes its own.

    Args:
        backup: a dump of one database, or '' for a new one
        globals: a file with its roles; `source` takes the source's

    Raises:
        BadUsage: it is absent, elsewhere, or a folder of several databases' dumps; or roles came without a dump.
    """
    if not backup:
        if globals:
            raise BadUsage("globals: says whose roles a dump needs; name the dump too, backup=FILE")
        return True
    roles = [] if globals in ("", "source") else [Path(globals).absolute()]
    for path in (here(backup), *roles):
        if not path.exists():
            raise BadUsage(f"there is no {path}; name a dump of pg_dump, or leave backup empty to make one")
    require_one_dump(here(backup))
    return True


@step("baseline")
def has_tables(dsn: str) -> bool:
    """Say whether there is anything to lose: at least one table of the user's own.

    Args:
        dsn: the database

    Raises:
        ConnectFailed: the server cannot be reached.
    """
    with connect(dsn, who="the source") as connection:
        return bool(ask(lambda: content.relations(connection), "the list of tables"))


@step("baseline")
def heartbeat_advances(dsn: str, table: str = TABLE, within: str = "5s") -> bool:
    """Say whether a heartbeat is being written; a database without any beat is told of and passes.

    A heartbeat that stands still would make the recovery point look worse than it is.

    Args:
        dsn: the database
        table: where the beats are
        within: how long to wait for the next beat

    Raises:
        ConnectFailed: the server cannot be reached.
    """
    within_s = seconds("within", within)
    with connect(dsn, who="the source") as connection:
        if not has_heartbeat(connection, table):
            return _without_heartbeat(f"there is no table {table}")
        query = f"SELECT max(id) FROM {table}"  # noqa: S608 - the operator's own name
        first = ask(lambda: connection.execute(query).fetchone(), table)
        if first is None or first[0] is None:
            return _without_heartbeat(f"{table} holds no beat")
        waited_s = 0.0
        while waited_s < within_s:
            if ask(lambda: connection.execute(query).fetchone(), table) != first:
                return True
            current().sleep(_POLL_S)
            waited_s += _POLL_S
    if has_session():
        message = f"no beat was written to {table} for {within_s:g} s: what is lost would look larger than it is"
        current().finding("heartbeat-stands-still", severity="unknown", where=table, message=message)
    return False


def _without_heartbeat(why: str) -> bool:
    """Warn, once in a run: the hypothesis is asked again after the method."""
    if has_session() and current().run_id not in _warned:
        _warned.add(current().run_id)
        current().finding(
            "no-heartbeat",
            severity="warning",
            where="source",
            message=f"{why}: what is lost can be bounded by the dump's snapshot only",
        )
    return True


@step("baseline")
def programs_fit(dsn: str, bin_dir: str = "") -> bool:
    """Say whether PostgreSQL's programs are here and new enough for the server.

    Args:
        dsn: the database
        bin_dir: the folder of the programs; '' looks for them

    Raises:
        Missing: they are absent or too old; says what to install.
        ConnectFailed: the server cannot be reached.
    """
    binaries = find_binaries(server_major(dsn), bin_dir)
    return all(binaries.program(name).exists() for name in _PROGRAMS)
