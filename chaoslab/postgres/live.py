"""A live server that a fault hits: looking at it, and seeing off the sessions that a fault opened on it.

A connection string may hold a password, so the ledger gets none: see `chaoslab.runtime.holder`. Our sessions carry the
fault's own application_name, by which the server tells exactly ours from all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.postgres.connect import ConnectFailed, connect, describe, load_psycopg, one_line, parse_dsn
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data
from chaoslab.runtime.holder import Hold

GUARD = "postgres"
HOLDER = "chaoslab.postgres.holding"
CONNECT_S = 3
ANSWER_S = 5.0
READY_S = 60.0
_GRACE_S = 1.0
_SEEN_OFF_S = 10.0
_POLL_S = 0.05
_UNHEARD = ("timeout expired", "unreachable", "No route to host", "could not translate host name")
"""What libpq says where no server answered, so that nobody knows what has become of our sessions there."""
_DOWN = (
    *("Connection refused", "No such file or directory", "reset by peer", "closed the connection"),
    *("starting up", "shutting down", "recovery mode", "not yet accepting", "terminating connection"),
)
"""What it says, or the server does, when there is no running server: it has no sessions either."""


class Facts(NamedTuple):
    """What every fault wants to know of the server that it is to hit."""

    version: int
    """As PostgreSQL counts: 150007."""
    standby: bool
    role: str
    superuser: bool
    started: str
    """When its postmaster started: another one has forgotten our sessions."""


def look(dsn: str, query: str = "", values: tuple[Any, ...] = ()) -> tuple[Facts, list[tuple[Any, ...]]]:
    """Return facts about a server before it is hit, and the rows of a query of one's own.

    Raises:
        Refused: it cannot be reached, or does not let us look.
        Missing: psycopg is not installed.
    """
    facts = """
        SELECT current_setting('server_version_num')::integer, pg_is_in_recovery(), current_user::text,
               current_setting('is_superuser') = 'on', pg_postmaster_start_time()::text"""
    try:
        with _connection(dsn) as connection:
            row = connection.execute(facts).fetchone()
            rows = connection.execute(query, values).fetchall() if query else []
    except ConnectFailed as away:
        raise Refused(GUARD, str(away)) from away
    except load_psycopg().Error as wrong:
        raise Refused(GUARD, f"{describe(dsn)}: {one_line(wrong)}") from wrong
    assert row is not None
    return Facts(*row), rows


def ask(dsn: str, query: str, values: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query to a server that is hit.

    Raises:
        ConnectFailed: it does not let us in.
        psycopg.Error: it does not answer.
    """
    with _connection(dsn) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
    return rows


def with_application(dsn: str, application: str) -> str:
    """Return the connection string for sessions of this application_name."""
    load_psycopg()
    from psycopg.conninfo import make_conninfo

    return make_conninfo("", **{**parse_dsn(dsn), "application_name": application})


def application_of(hold: Hold) -> str:
    """Return the application_name of a fault's sessions."""
    return f"chaoslab-{hold.token}"


def start_holder(data: Data, *, ready_within_s: float = READY_S) -> dict[str, Any]:
    """Have a holder take hold of what `data` says, and return what it told; kept for effective and undo."""
    hold = Hold(data["held"])
    private = hold.remembered()
    hold.write()
    dsn = with_application(private["dsn"], application_of(hold))
    order = {**data, "dsn": dsn}
    told = hold.start(HOLDER, order, ttl_s=data["ttl_s"], ready_within_s=ready_within_s)
    hold.write(told=told)
    return told


def told_by_holder(data: Data) -> tuple[str, dict[str, Any]]:
    """Return the connection string of a fault that stands, and what its holder told; ('', {}) when it does not."""
    known = Hold(data["held"]).read() or {}
    return (known["dsn"], known["told"]) if "told" in known else ("", {})


def release(data: Data, grace_s: float = _GRACE_S) -> None:
    """End the holder, and what the server still has of its sessions. The undo of what a holder holds.

    Args:
        data: of the fault
        grace_s: seconds in which a session may end by itself

    Raises:
        ChaoslabError: the holder does not end, or nobody answers who could say whether its sessions have.
    """
    hold = Hold(data["held"])
    known = hold.read()
    if known is None:
        return
    hold.end()
    if "process" in known:
        see_off(known["dsn"], application_of(hold), grace_s)
    hold.remove()


def see_off(dsn: str, application: str, grace_s: float = _GRACE_S) -> None:
    """Wait until the server has no session of this application_name, and end those that it does not end by itself.

    A server that answers, be it with a refusal, has heard that their client hung up; a server that is down has none.

    Raises:
        ChaoslabError: nobody answers, or some do not end.
    """
    left: list[tuple[Any, ...]] = []
    begun_s = CLOCK.mono()
    while (waited_s := CLOCK.mono() - begun_s) < _SEEN_OFF_S:
        try:
            left = ask(dsn, "SELECT pid FROM pg_stat_activity WHERE application_name = %s", (application,))
            if not left:
                return
            if waited_s > grace_s:
                ask(dsn, "SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", ([pid for (pid,) in left],))
        except ConnectFailed as closed:
            if any(sign in str(closed) for sign in _UNHEARD):
                raise ChaoslabError(f"nobody knows whether our sessions have ended: {closed}") from closed
            if _is_down(str(closed)) or waited_s > _GRACE_S:
                return
        except load_psycopg().OperationalError:
            pass  # the server went down while it answered: asked again, it says so
        CLOCK.sleep(_POLL_S)
    if left:
        raise ChaoslabError(f"{len(left)} sessions of ours at {describe(dsn)} do not end")


def lets_nobody_in(refusal: ConnectFailed) -> bool:
    """Say whether a running server refused us, rather than that there was none to ask."""
    text = str(refusal)
    return not _is_down(text) and not any(sign in text for sign in _UNHEARD)


def is_down(refusal: ConnectFailed) -> bool:
    """Say whether there is no running server."""
    return _is_down(str(refusal))


def _is_down(text: str) -> bool:
    return any(sign in text for sign in _DOWN)


def _connection(dsn: str) -> Any:
    return connect(dsn, statement_timeout_s=ANSWER_S, connect_timeout_s=CONNECT_S)
