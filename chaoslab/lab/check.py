"""One end-to-end query as the service makes it, to prove that a (restored) database can serve it."""

from __future__ import annotations

import sys

from chaoslab.core.errors import ChaoslabError
from chaoslab.lab.appointments import HEAD, TENANT, read, write
from chaoslab.lab.databases import APP_ROLE
from chaoslab.lab.pool import Connection
from chaoslab.postgres.connect import connect, load_psycopg, one_line

STATEMENT_TIMEOUT_S = 10.0
ANY = "SELECT min(id) FROM clinic.appointment"
FOREIGN = "SELECT count(*) FROM clinic.appointment WHERE tenant_id <> %s"


class CheckFailed(ChaoslabError):
    """The database cannot serve the service."""


def check(dsn: str) -> str:
    """Read an appointment, write one and roll it back, see the tenants kept apart and the audit log chained.

    All of it happens in the service's own role, so missing rights and policies show too.

    Args:
        dsn: the database's connection URI; of the service's role, or of one that may become it

    Returns:
        One line that says what was seen.

    Raises:
        CheckFailed: something is not as the service needs it; one line.
        ConnectFailed: the server cannot be reached.
    """
    psycopg = load_psycopg()
    with connect(dsn, who="the database", read_only=False, statement_timeout_s=STATEMENT_TIMEOUT_S) as connection:
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(f"SET LOCAL ROLE {APP_ROLE}")
                # The session's pinned `off` turns a policy into an error; here the policy itself is under test.
                connection.execute("SET LOCAL row_security = on")
                connection.execute("SELECT set_config('app.tenant', %s, true)", (str(TENANT),))
                return _use(connection)
        except psycopg.Error as broken:
            raise CheckFailed(one_line(broken)) from broken


def report(dsn: str) -> int:
    """Print the outcome of a check as one line and return the exit code."""
    try:
        said = check(dsn)
    except ChaoslabError as broken:
        sys.stdout.write(f"failed: {broken}\n")
        return 1
    sys.stdout.write(f"ok: {said}\n")
    return 0


def _use(connection: Connection) -> str:
    first = connection.execute(ANY).fetchone()
    found = read(connection, first[0]) if first and first[0] is not None else None
    if found is None:
        raise CheckFailed("there is no appointment to read")
    foreign = connection.execute(FOREIGN, (TENANT,)).fetchone()
    if foreign is None or foreign[0]:
        raise CheckFailed("appointments of other tenants can be read: the policies do not hold")
    before = connection.execute(HEAD).fetchone()
    if before is None:
        raise CheckFailed("the audit log has no head")
    made = write(connection, {})
    after = connection.execute(HEAD).fetchone()
    if after is None or after[0] != before[0] + 1:
        raise CheckFailed("writing an appointment left no trace in the audit log")
    head = f"audit head {before[0]} {before[1][:16]}"
    return f"read appointment {found['id']}, wrote {made['id']} and rolled it back, {head}"
