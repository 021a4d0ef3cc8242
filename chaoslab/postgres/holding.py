"""The holder of faults of a PostgreSQL server: `python -m chaoslab.postgres.holding`, started by the fault itself.

The server keeps the time too: the sessions of a holder have limits of their own, so that they end on the spot when the
network between takes even the end of the holder away.
"""

from __future__ import annotations

import os
import resource
import select
from collections.abc import Callable
from typing import Any, NoReturn

from psycopg import Connection, sql

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import ConnectFailed, connect, one_line
from chaoslab.postgres.connections import USED
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.holder import hold

_TOP_UP_S = 0.1
_SINCE = {"idle_session_timeout": 140000, "client_connection_check_interval": 140000, "transaction_timeout": 170000}
_LEAST_S = 1.0
type Session = Connection[tuple[Any, ...]]
type Held = tuple[dict[str, Any], Callable[[], NoReturn]]


def _session(order: dict[str, Any], *limits: str) -> Session:
    """Open a session that the server ends when the time is over; the server's own limits hold where they are shorter.

    Args:
        order: what the holder was told
        limits: settings that end such a session
    """
    session = connect(order["dsn"], read_only=False)
    known = [name for name in limits if session.info.server_version >= _SINCE.get(name, 0)]
    own = session.execute("SELECT name, reset_val::bigint FROM pg_settings WHERE name = ANY(%s)", (known,)).fetchall()
    ours_ms = max(1, round((order["ttl_s"] + _LEAST_S) * 1000))
    for name, theirs_ms in own:
        limit_ms = min(ours_ms, theirs_ms) if theirs_ms > 0 else ours_ms
        session.execute("SELECT set_config(%s, %s, false)", (name, str(limit_ms)))
    if session.info.server_version >= _SINCE["client_connection_check_interval"]:
        # Also while it waits for a lock the server notices that we are gone.
        session.execute("SELECT set_config('client_connection_check_interval', '500ms', false)")
    return session


def _until_hung_up(session: Session) -> NoReturn:
    """Stay until the server ends the session; then nothing is held any more."""
    select.select([session.fileno()], [], [])
    os._exit(0)


class _Slots:
    """The connections that are held."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._held: list[Session] = []
        self._watch: Session | None = None

    @property
    def held(self) -> int:
        """How many there are."""
        return len(self._held)

    def fill(self) -> bool:
        """Take what is missing; return whether as many are in use as were to be, or the server has none left."""
        if self._watch is None:
            self._watch = _session(self._order)
            self._held.append(self._watch)
        used = self._used()
        while used < self._order["slots"]:
            try:
                self._held.append(_session(self._order, "idle_session_timeout"))
            except ConnectFailed:
                return self.held > 0
            used += 1
        while used > self._order["slots"] + self._order["spare"] and self._order["superuser"] and self.held > 1:
            self._held.pop().close()  # others came meanwhile: what is kept for superusers is not for us
            used -= 1
        return bool(self._used() >= self._order["slots"])

    def top_up(self) -> None:
        """Take again what was given back; after a restart of the server, all of it."""
        try:
            self.fill()
        except Exception:
            for session in self._held:
                session.close()
            self._held, self._watch = [], None

    def end_others(self, application: str) -> None:
        """End the sessions of an application_name."""
        assert self._watch is not None
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        self._watch.execute(end, (application,))

    def _used(self) -> int:
        assert self._watch is not None
        row = self._watch.execute(USED).fetchone()
        assert row is not None
        self._held = [session for session in self._held if not _is_hung_up(session)]
        return int(row[0]) + 1


def _is_hung_up(session: Session) -> bool:
    """Say whether the server has ended an idle session: then there is something to read."""
    readable, _, _ = select.select([session.fileno()], [], [], 0)
    if readable:
        session.close()
    return bool(readable)


def _connections(order: dict[str, Any]) -> Held:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    slots = _Slots(order)
    full = slots.fill()
    if order["end_first"]:
        slots.end_others(order["end_first"])
        full = slots.fill()

    def stay() -> NoReturn:
        while True:
            slots.top_up()
            CLOCK.sleep(_TOP_UP_S)

    if not full and not slots.held:
        raise ChaoslabError("not one connection could be opened")
    return {"held": slots.held}, stay


def _lock(order: dict[str, Any]) -> Held:
    session = _session(order, "idle_in_transaction_session_timeout", "transaction_timeout")
    table = sql.Identifier(order["schema"], order["table"])
    session.execute("BEGIN")
    session.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(order['wait_s'] * 1000)}ms",))
    try:
        session.execute(sql.SQL("LOCK TABLE {} IN " + order["mode"] + " MODE").format(table))
    except Exception as refused:
        raise ChaoslabError(f"no lock on {order['schema']}.{order['table']}: {one_line(refused)}") from refused
    return {"backend": session.info.backend_pid}, lambda: _until_hung_up(session)


def _transaction(order: dict[str, Any]) -> Held:
    session = _session(order, "idle_in_transaction_session_timeout", "transaction_timeout")
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    session.execute("SELECT 1")  # from now on it has a snapshot, and every row version that it could see must stay
    return {"backend": session.info.backend_pid}, lambda: _until_hung_up(session)


def _replay(order: dict[str, Any]) -> Held:
    """Pause replay, and leave a statement running in the server that resumes it when the time is over."""
    session = _session(order)
    row = session.execute("SELECT pg_backend_pid(), pg_postmaster_start_time()::text").fetchone()
    assert row is not None
    pause = "PERFORM pg_wal_replay_pause(); PERFORM pg_sleep(%s); PERFORM pg_wal_replay_resume();"
    statement = sql.SQL("DO $$ BEGIN " + pause.replace("%s", "{}") + " END $$").format(sql.Literal(order["ttl_s"]))
    session.execute("SELECT set_config('client_connection_check_interval', '0', false)")
    session.pgconn.send_query(statement.as_bytes(session))
    while session.pgconn.flush():
        select.select([], [session.fileno()], [])
    return {"backend": row[0], "started": row[1]}, lambda: _until_hung_up(session)


_KINDS: dict[str, Callable[[dict[str, Any]], Held]] = {
    "connections": _connections,
    "lock": _lock,
    "transaction": _transaction,
    "replay": _replay,
}


if __name__ == "__main__":
    hold(lambda order: _KINDS[order["kind"]](order))
