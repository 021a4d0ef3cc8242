"""The service's connection pool: a limit, deadlines that hold on a dead network too, and figures.

Connections are opened by a thread of the pool's own, so a request waits for one no longer than it said it would,
even when opening one takes forever. A query that outlives its deadline loses its connection: a statement timeout
alone would not help, for its message cannot come through a network that lets nothing pass.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chaoslab.lab.breaker import Unavailable
from chaoslab.postgres.connect import load_psycopg, one_line
from chaoslab.runtime.clock import CLOCK

if TYPE_CHECKING:
    import psycopg

type Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_S = 2
RETRY_S = 0.1
WATCH_S = 0.05


class Pool:
    """As many connections to one database as allowed, open before they are needed."""

    def __init__(self, dsn: str, *, size: int, options: str = "") -> None:
        """Take the connection string; connecting begins in the background.

        Args:
            dsn: where to connect
            size: the most connections at a time
            options: server settings of each session, as `-c name=value`
        """
        self._dsn = dsn
        self._options = options
        self.size = size
        self.timeouts = 0
        self.pending = 0
        self._errors: tuple[type[Exception], ...] = (load_psycopg().Error, OSError)
        self._idle: list[Connection] = []
        self._leased: dict[int, tuple[float, Connection]] = {}
        self._state = threading.Condition()
        self._pause = threading.Event()
        """Nobody sets it: under libfaketime 0.9.10, as the lab can be, `time.sleep` fails, and this does not."""
        self._trouble = "not connected yet"
        for name in (self._keep_filled, self._watch):
            threading.Thread(target=name, daemon=True).start()

    @property
    def idle(self) -> int:
        """Connections that wait for work."""
        return len(self._idle)

    @property
    def active(self) -> int:
        """Connections at work."""
        return len(self._leased)

    @contextlib.contextmanager
    def lease(self, *, wait_s: float, work_s: float) -> Iterator[Connection]:
        """Lend a connection; every statement is a transaction of its own.

        Args:
            wait_s: seconds to wait for one
            work_s: seconds until it is taken away from a borrower who is still at work

        Raises:
            Unavailable: none came in time, or the work was cut off, or the connection broke.
        """
        connection = self._take(wait_s, work_s)
        sound = True
        try:
            yield connection
        except load_psycopg().OperationalError as broken:
            sound = False
            raise Unavailable(one_line(broken)) from broken
        finally:
            self._give_back(connection, sound=sound)

    def _take(self, wait_s: float, work_s: float) -> Connection:
        until = CLOCK.mono() + wait_s
        with self._state:
            self.pending += 1
            self._state.notify_all()
            try:
                while True:
                    while self._idle:
                        connection = self._idle.pop()
                        if _looks_alive(connection):
                            self._leased[id(connection)] = (CLOCK.mono() + work_s, connection)
                            return connection
                        connection.close()
                    if not self._state.wait(until - CLOCK.mono()) and CLOCK.mono() >= until:
                        self.timeouts += 1
                        raise Unavailable(f"no connection within {wait_s:g} s: {self._trouble or 'all are at work'}")
            finally:
                self.pending -= 1

    def _give_back(self, connection: Connection, *, sound: bool) -> None:
        with self._state:
            del self._leased[id(connection)]
            if sound and not connection.closed:
                self._idle.append(connection)
            else:
                with contextlib.suppress(*self._errors):
                    connection.close()
            self._state.notify_all()

    def _keep_filled(self) -> None:
        """Open connections until there are as many as there may be."""
        while True:
            with self._state:
                while len(self._idle) + len(self._leased) >= self.size:
                    self._state.wait(1.0)
            try:
                connection = self._connect()
            except self._errors as broken:
                self._trouble = one_line(broken)
                self._pause.wait(RETRY_S)
                continue
            with self._state:
                self._trouble = ""
                self._idle.append(connection)
                self._state.notify_all()

    def _connect(self) -> Connection:
        return load_psycopg().connect(  # type: ignore[no-any-return]
            self._dsn,
            connect_timeout=CONNECT_S,
            options=self._options,
            application_name="appointment-service",
            autocommit=True,
            prepare_threshold=None,
        )

    def _watch(self) -> None:
        """Cut off the connections of borrowers whose time is up."""
        while True:
            self._pause.wait(WATCH_S)
            now = CLOCK.mono()
            # Under the lock nobody gives a connection back, so its descriptor is still its own.
            with self._state:
                for due, connection in self._leased.values():
                    if now > due:
                        _cut(connection)


def _cut(connection: Connection) -> None:
    """Shut a connection's socket: whoever waits on it wakes up with an error."""
    gone = (OSError, load_psycopg().Error)  # it was closed meanwhile: then nobody waits on it
    with contextlib.suppress(*gone), socket.socket(fileno=os.dup(connection.pgconn.socket)) as twin:
        twin.shutdown(socket.SHUT_RDWR)


def _looks_alive(connection: Connection) -> bool:
    """Say whether an idle connection is as we left it: if there is something to read, the server has hung up."""
    if connection.closed:
        return False
    try:
        poll = select.poll()
        poll.register(connection.pgconn.socket, select.POLLIN)
        return not poll.poll(0)
    except Exception:
        return False
