"""Reading and writing appointments, as well as the state of the database allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaoslab.lab.breaker import Breaker, NoBreaker, Unavailable
from chaoslab.lab.cache import Cache
from chaoslab.lab.memory import Memory
from chaoslab.lab.pool import Connection, Pool

WAIT_S = 0.5
WORK_S = 1.0
HEALTH_WAIT_S = 0.3
HEALTH_WORK_S = 0.5
KEPT_S = 600.0
"""How long Redis keeps an appointment for a day on which the database is away."""
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


class Appointments:
    """The service's store: the database, and behind it Redis and what was read lately."""

    def __init__(self, pool: Pool, cache: Cache, *, fragile: bool = False) -> None:
        """Take what it stands on.

        Args:
            pool: of the database
            cache: where others' reads are found too
            fragile: without a breaker, and without a memory for bad days
        """
        self.breaker = NoBreaker("database") if fragile else Breaker("database")
        self._pool = pool
        self._cache = cache
        self._fragile = fragile
        self._memory = Memory(0 if fragile else None)

    def get(self, number: int) -> tuple[Appointment | None, bool]:
        """Return an appointment (None when there is none), and whether it comes from the cache or from memory.

        Raises:
            Unavailable: the database is away, and nobody else has it.
        """
        try:
            found = self.breaker.call(lambda: self._read(number))
        except Unavailable:
            known = None if self._fragile else self._cache.get(_key(number)) or self._memory.get(number)
            if known is None:
                raise
            return known, True
        if found is not None:
            self._remember(found)
        return found, False

    def create(self, wish: Mapping[str, Any]) -> Appointment:
        """Write an appointment and return it.

        Raises:
            Unavailable: the database is away; nothing is promised about whether it was written.
            psycopg.Error: the database refuses such an appointment.
        """
        made = self.breaker.call(lambda: self._write(wish))
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
        self._memory.put(appointment["id"], appointment)
        self._cache.put(_key(appointment["id"]), appointment, for_s=KEPT_S)


def _key(number: int) -> str:
    return f"appointment:{number}"


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
