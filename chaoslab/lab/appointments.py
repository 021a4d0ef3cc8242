"""Reading and writing appointments, as well as the state of the database allows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from chaoslab.lab.pool import Connection, Pool, Unavailable
from chaoslab.runtime.clock import CLOCK

WAIT_S = 0.5
WORK_S = 1.0
HEALTH_WAIT_S = 0.3
HEALTH_WORK_S = 0.5
CACHE_SIZE = 10_000
OPEN_S = 0.3
TENANT = 1
SESSION = f"-c app.tenant={TENANT} -c timezone=UTC"
"""The service works for one tenant; the database's policies hide all others from it."""

COLUMNS = ("id", "patient_id", "provider_id", "starts_at", "ends_at", "status", "fee")
READ = f"SELECT {', '.join(COLUMNS)} FROM clinic.appointment WHERE id = %s"  # noqa: S608 - a constant
WRITE = f"""
    INSERT INTO clinic.appointment (tenant_id, patient_id, provider_id, starts_at, ends_at, notes)
    SELECT %s, %s, %s, at, at + %s * interval '1 minute', %s FROM (SELECT %s::timestamptz AS at) AS slot
    RETURNING {", ".join(COLUMNS)}
"""  # noqa: S608 - a constant
HEAD = "SELECT id, encode(hash, 'hex') FROM audit.event ORDER BY id DESC LIMIT 1"
Appointment = dict[str, Any]


class Breaker:
    """Remembers for a moment that the database is away, so that not every request has to find out by waiting."""

    def __init__(self, open_s: float = OPEN_S) -> None:
        """Take the seconds for which it stays open after a failure."""
        self._open_s = open_s
        self._open_until = 0.0
        self._lock = threading.Lock()

    def call[T](self, work: Callable[[], T]) -> T:
        """Do the work, unless it failed a moment ago.

        Raises:
            Unavailable: the work raised it, or it did so a moment ago.
        """
        with self._lock:
            now = CLOCK.mono()
            if now < self._open_until:
                raise Unavailable("the database was away a moment ago")
            if self._open_until:
                # One request tries; until it knows, the others go on without.
                self._open_until = now + self._open_s + WAIT_S + WORK_S
        open_until = 0.0
        try:
            return work()
        except Unavailable:
            open_until = CLOCK.mono() + self._open_s
            raise
        finally:
            self._open_until = open_until


class Appointments:
    """The service's store: the database, and behind it what was read lately."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool of the database."""
        self._pool = pool
        self._breaker = Breaker()
        self._known: OrderedDict[int, Appointment] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int) -> tuple[Appointment | None, bool]:
        """Return an appointment (None when there is none), and whether it comes from memory.

        Raises:
            Unavailable: the database is away, and memory does not have it.
        """
        try:
            found = self._breaker.call(lambda: self._read(number))
        except Unavailable:
            with self._lock:
                if number in self._known:
                    return self._known[number], True
            raise
        if found is not None:
            self._remember(found)
        return found, False

    def create(self, wish: Mapping[str, Any]) -> Appointment:
        """Write an appointment and return it.

        Raises:
            Unavailable: the database is away; nothing is promised about whether it was written.
            psycopg.Error: the database refuses such an appointment.
        """
        made = self._breaker.call(lambda: self._write(wish))
        self._remember(made)
        return made

    def check(self) -> None:
        """Ask the database itself, whatever the breaker thinks.

        Raises:
            Unavailable: it does not answer in time.
        """
        with self._pool.lease(wait_s=HEALTH_WAIT_S, work_s=HEALTH_WORK_S) as connection:
            connection.execute("SELECT 1")

    def _read(self, number: int) -> Appointment | None:
        with self._pool.lease(wait_s=WAIT_S, work_s=WORK_S) as connection:
            return read(connection, number)

    def _write(self, wish: Mapping[str, Any]) -> Appointment:
        with self._pool.lease(wait_s=WAIT_S, work_s=WORK_S) as connection:
            return write(connection, wish)

    def _remember(self, appointment: Appointment) -> None:
        with self._lock:
            self._known[appointment["id"]] = appointment
            self._known.move_to_end(appointment["id"])
            while len(self._known) > CACHE_SIZE:
                self._known.popitem(last=False)


def read(connection: Connection, number: int) -> Appointment | None:
    """Read one appointment of the session's tenant."""
    row = connection.execute(READ, (number,)).fetchone()
    return None if row is None else _as_data(row)


def write(connection: Connection, wish: Mapping[str, Any]) -> Appointment:
    """Write an appointment; what the wish leaves out has a default."""
    values = (
        TENANT,
        wish.get("patient_id", 1),
        wish.get("provider_id", 1),
        wish.get("minutes", 30),
        wish.get("notes"),
        wish.get("starts_at", "tomorrow"),
    )
    row = connection.execute(WRITE, values).fetchone()
    assert row is not None
    return _as_data(row)


def _as_data(row: tuple[Any, ...]) -> Appointment:
    # Numbers stay numbers; instants, the status and money become text.
    return {name: value if isinstance(value, int) else str(value) for name, value in zip(COLUMNS, row, strict=True)}
