"""Disasters, each as it really happens, and only ever to a stand-in."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.connect import ConnectFailed, connect, load_psycopg, one_line
from chaoslab.postgres.physical.standin import StandIn
from chaoslab.postgres.servers import postmaster
from chaoslab.postgres.snapshot import ask
from chaoslab.runtime.clock import CLOCK

RESTORE_POINT = "chaoslab_before_disaster"
DECLARED = "declared"
LOGICAL = ("drop-table", "delete-rows")
KINDS = (*LOGICAL, "corrupt-page", "kill-server", "remove-data")
"""What can happen; in `declared` nothing happens: it is assumed."""
LIVES_ON = (*LOGICAL, "corrupt-page")
"""After these the server still runs, so that the last of its WAL can be archived."""
_PAGE_BYTES = 8192
_GARBAGE_BYTES = 512
_GONE_S = 20.0
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8, pg_current_wal_insert_lsn()::text"
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND pg_relation_size(c.oid) > 0
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'chaoslab') AND n.nspname !~ '^pg_'
ORDER BY EXISTS (SELECT FROM pg_constraint k WHERE k.confrelid = c.oid AND k.conrelid <> c.oid),
    EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal), pg_relation_size(c.oid) DESC
"""


class NothingToLose(ChaoslabError):
    """There is nothing that the disaster could hit."""


def require_disaster(disaster: str) -> None:
    """Refuse what is no disaster.

    Raises:
        BadUsage: says what to choose of.
    """
    if disaster not in (*KINDS, DECLARED):
        raise BadUsage(f"disaster: there is none called {disaster!r}; choose one of {', '.join((*KINDS, DECLARED))}")


def choose_table(stand_in: StandIn) -> str:
    """Return the table that is hit: the largest that no other refers to and no trigger guards, if there is one.

    Raises:
        ConnectFailed: the stand-in cannot be reached.
        NothingToLose: it has no table with rows.
    """
    with connect(stand_in.dsn, who="the stand-in") as connection:
        connection.execute("SET search_path = ''")
        for row in ask(lambda: connection.execute(_TABLES).fetchall(), "the tables"):
            table = str(row[0])
            query = f"SELECT EXISTS (SELECT FROM {table})"  # noqa: S608 - the server quoted it
            found = ask(lambda query=query: connection.execute(query).fetchone(), table)  # type: ignore[misc]
            if found and found[0]:
                return table
    raise NothingToLose("the source has no table with rows: there is nothing to lose")


def strike(data: Mapping[str, Any]) -> dict[str, Any]:
    """Let a disaster happen to a stand-in; return what was known just before it, and when it was.

    Args:
        data: `scratch` and `database` of the stand-in, the `kind`, and the `table` or its `file`

    Raises:
        ConnectFailed: the stand-in cannot be reached.
        ChaoslabError: it refused.
    """
    stand_in, kind = StandIn(Path(data["scratch"]), data["database"]), data["kind"]
    with connect(stand_in.dsn, who="the stand-in", read_only=False) as connection:
        point_s = CLOCK.mono()
        connection.execute(f"SELECT pg_create_restore_point('{RESTORE_POINT}')")
        row, asked_s = connection.execute(_NOW).fetchone(), CLOCK.mono()
        assert row is not None
        before_s = CLOCK.mono()
        if kind in LOGICAL:
            try:
                connection.execute(_statement(kind, data["table"]))
            except load_psycopg().Error as refused:
                raise ChaoslabError(f"the disaster did not happen, the stand-in refused: {one_line(refused)}") from None
    if kind not in LOGICAL:
        before_s = _strike(kind, stand_in, data)
    return {
        "kind": kind,
        "table": data["table"],
        "before_at": row[0],
        "after_at": row[0] + CLOCK.mono() - asked_s,
        "before_lsn": row[1],
        "restore_point": RESTORE_POINT,
        "point_mono_s": point_s,
        "before_mono_s": before_s,
        "after_mono_s": CLOCK.mono(),
    }


def _statement(kind: str, table: str) -> str:
    if kind == "drop-table":
        return f"DROP TABLE {table} CASCADE"
    return f"DELETE FROM {table}"  # noqa: S608 - the name was quoted by the server, or is the operator's own


def _strike(kind: str, stand_in: StandIn, data: Mapping[str, Any]) -> float:
    """Do what no statement does; return when it began, on the monotonic clock."""
    if kind == "corrupt-page":
        return _corrupt(stand_in, data["file"])
    pid = stand_in.cluster.pid()
    assert pid is not None
    before_s = CLOCK.mono()
    if kind == "kill-server":
        os.kill(pid, signal.SIGKILL)
    else:
        _remove(stand_in.cluster.data, pid)
    return before_s


def _corrupt(stand_in: StandIn, file: str) -> float:
    """Overwrite the middle of a table's first page on the disk; a server that restarts has no good copy in memory."""
    cluster = stand_in.cluster
    cluster.stop()
    before_s = CLOCK.mono()
    with (cluster.data / file).open("r+b") as stream:
        stream.seek(_PAGE_BYTES - _GARBAGE_BYTES)
        page_end = stream.read(_GARBAGE_BYTES)
        stream.seek(_PAGE_BYTES - _GARBAGE_BYTES)
        stream.write(bytes(byte ^ 0xA5 for byte in page_end))
    cluster.start()
    return before_s


def _remove(data: Path, pid: int) -> None:
    """Remove the data folder under a running server, which goes down with it."""
    until_s = CLOCK.mono() + _GONE_S
    os.kill(pid, signal.SIGSTOP)  # so that it makes no new files while the old ones go
    while data.exists() and CLOCK.mono() < until_s:
        with suppress(OSError):
            shutil.rmtree(data)
    # Its children see that it is gone, and end too.
    os.kill(pid, signal.SIGKILL)


def _reads(stand_in: StandIn, question: str) -> str:
    """Ask the stand-in; return 'yes', 'no', or what kind of error came: 'error' or 'away'."""
    try:
        with connect(stand_in.dsn, who="the stand-in", connect_timeout_s=2) as connection:
            row = connection.execute(question).fetchone()
    except ConnectFailed:
        return "away"
    except load_psycopg().OperationalError:
        return "away"
    except load_psycopg().Error:
        return "error"
    return "yes" if row and row[0] else "no"


def question(kind: str, table: str) -> tuple[str, tuple[str, ...]]:
    """Return what a service asks again and again, and the answers by which it notices the disaster."""
    match kind:
        case "drop-table":
            return f"SELECT EXISTS (SELECT FROM {table})", ("error",)  # noqa: S608
        case "delete-rows":
            return f"SELECT EXISTS (SELECT FROM {table})", ("no",)  # noqa: S608
        case "corrupt-page":
            return f"SELECT count(*) >= 0 FROM {table}", ("error",)  # noqa: S608
        case _:
            return "SELECT true", ("away", "error")


def notices(stand_in: StandIn, kind: str, table: str) -> Callable[[], tuple[bool, str]]:
    """Return a question to the stand-in that tells whether the disaster shows, and what was answered."""
    asked, signs = question(kind, table)

    def look() -> tuple[bool, str]:
        answer = _reads(stand_in, asked)
        return answer in signs, answer

    return look


def is_effective(data: Mapping[str, Any]) -> bool:
    """Ask the stand-in whether a disaster shows."""
    stand_in = StandIn(Path(data["scratch"]), data["database"])
    if data["kind"] == "remove-data" and stand_in.cluster.data.exists():
        return False
    if data["kind"] == "kill-server" and postmaster.postmaster(stand_in.cluster.folder) is not None:
        return False
    return notices(stand_in, data["kind"], data["table"])()[0]
