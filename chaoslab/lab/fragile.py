"""How a service goes about its database when nobody thought of bad days: the twin that experiments must find out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from chaoslab.core.units import format_size
from chaoslab.lab.breaker import Unavailable
from chaoslab.lab.pool import Connection, Pool
from chaoslab.postgres.connect import load_psycopg, one_line
from chaoslab.resource.available import memory


class Unpooled(Pool):
    """Opens a connection for every request, as many as are asked for, and waits for each as long as it takes."""

    def __init__(self, dsn: str, *, options: str = "", spare_bytes: int = 0) -> None:
        """Take the connection string; nothing is opened before it is needed.

        Args:
            dsn: where to connect
            options: server settings of each session, as `-c name=value`
            spare_bytes: nothing is done while less memory than this is available to everybody together
        """
        self._dsn, self._options, self._spare_bytes = dsn, options, spare_bytes
        self.size = self.timeouts = self.pending = 0
        self._open = 0
        self._count = threading.Lock()

    @property
    def idle(self) -> int:
        """None waits for work."""
        return 0

    @property
    def active(self) -> int:
        """Connections at work."""
        return self._open

    @contextlib.contextmanager
    def lease(self, *, wait_s: float, work_s: float) -> Iterator[Connection]:
        """Lend a new connection, and take no notice of how long that may take.

        Raises:
            Unavailable: the server refuses it, or breaks it off; others have left too little memory.
        """
        del wait_s, work_s
        if self._spare_bytes and (free := memory().available) < self._spare_bytes:
            raise Unavailable(f"only {format_size(free)} of memory is available")
        psycopg = load_psycopg()
        self._add(1)
        try:
            connection: Any = psycopg.connect(
                self._dsn, options=self._options, application_name="fragile-service", autocommit=True
            )
            with connection:
                yield connection
        except psycopg.OperationalError as broken:
            raise Unavailable(one_line(broken)) from broken
        finally:
            self._add(-1)

    def _add(self, number: int) -> None:
        with self._count:
            self._open += number
