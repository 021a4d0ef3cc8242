"""Databases with real structure and data: what a clinic's finance platform would have, in small."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.connect import connect, load_psycopg, one_line

if TYPE_CHECKING:
    import psycopg

PREFIX = "healthfinance_"
OWNER = "healthfinance_owner"
APP_ROLE = "healthfinance_app"
SERVICE_DATABASE = "healthfinance_appointments"
_TOPICS = """
    users appointments medical_records prescriptions insurance billing notifications laboratory pharmacy
    intelligence_hub consent identity audit risk_scoring care_pathways triage fraud pricing providers
    engagement claims documents
"""
NAMES = tuple(PREFIX + topic for topic in _TOPICS.split())
PATIENTS_PER_MB = 345
"""One patient with all that hangs on one (appointments, payments, measurements, indexes) takes about 3 kB."""
PATIENTS_MIN = 40
STATEMENT_TIMEOUT_S = 300.0
COMPLETE = "chaoslab lab:"
"""How the comment of a complete database begins."""


class LabFailed(ChaoslabError):
    """The lab could not be brought into the wanted state."""


def database_names(count: int) -> tuple[str, ...]:
    """Return the names of the first databases.

    Raises:
        BadUsage: there are not that many.
    """
    if not 1 <= count <= len(NAMES):
        raise BadUsage(f"the lab has 1 to {len(NAMES)} databases, not {count}")
    return NAMES[:count]


def create_database(admin_dsn: str, name: str, size_mb: float = 5) -> None:
    """Create a database with the lab's structure and fill it; equal names and sizes give equal rows.

    Args:
        admin_dsn: a superuser's connection URI to another database of the server
        name: the new database's name
        size_mb: megabytes of tables and indexes, about; each database has some 8 MB of catalogue besides

    Raises:
        LabFailed: the server refused, or the database exists already; a half-made one is removed again.
        ConnectFailed: the server cannot be reached.
    """
    psycopg = load_psycopg()
    from psycopg import sql

    identifier = sql.Identifier(name)
    try:
        with _session(admin_dsn) as admin:
            _alone(admin, name)
            admin.execute(script("roles.sql"))
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {}").format(identifier, sql.Identifier(OWNER))
            )
            try:
                with _session(admin_dsn, name) as new:
                    _fill(new, name, size_mb)
            except BaseException:
                admin.execute(sql.SQL("DROP DATABASE {}").format(identifier))
                raise
    except psycopg.Error as broken:
        raise LabFailed(f"database {name} could not be made: {one_line(broken)}") from broken


def complete_databases(admin_dsn: str) -> list[str]:
    """Return the lab's databases that a server has, in the order of NAMES; half-made ones do not count."""
    query = "SELECT datname FROM pg_database WHERE starts_with(shobj_description(oid, 'pg_database'), %s)"
    with _session(admin_dsn) as admin:
        found = {str(row[0]) for row in admin.execute(query, (COMPLETE,))}
    return [name for name in NAMES if name in found]


def drop_database(admin_dsn: str, name: str) -> None:
    """Remove a database with everybody in it. Harmless when there is none."""
    from psycopg import sql

    with _session(admin_dsn) as admin:
        _alone(admin, name)
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def set_password(admin_dsn: str, role: str, password: str) -> None:
    """Let a role log in with this password."""
    from psycopg import sql

    with _session(admin_dsn) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))


def script(name: str) -> bytes:
    """Return one of the lab's SQL scripts."""
    return (files("chaoslab.lab") / "sql" / name).read_bytes()


def _session(admin_dsn: str, database: str = "") -> psycopg.Connection[tuple[Any, ...]]:
    return connect(
        admin_dsn,
        who="the lab's server",
        database=database,
        read_only=False,
        statement_timeout_s=STATEMENT_TIMEOUT_S,
    )


def _alone(admin: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    """Wait for whoever makes or drops this database: the server finishes a CREATE whose client was killed."""
    admin.execute("SELECT pg_advisory_lock(hashtext('chaoslab database'), hashtext(%s))", [name])


def _fill(new: psycopg.Connection[tuple[Any, ...]], name: str, size_mb: float) -> None:
    from psycopg import sql

    patients = max(PATIENTS_MIN, round(size_mb * PATIENTS_PER_MB) // 4 * 4)
    with new.transaction():
        for setting, value in (("seed", _seed(name)), ("patients", patients)):
            new.execute("SELECT set_config(%s, %s, true)", (f"chaoslab.{setting}", str(value)))
        for step in ("tables.sql", "data.sql", "rules.sql"):
            new.execute(script(step))
    new.execute("ANALYZE")
    identifier = sql.Identifier(name)
    new.execute(sql.SQL("ALTER DATABASE {} SET datestyle = 'ISO, DMY'").format(identifier))
    new.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO healthfinance_readonly").format(identifier))
    # Last of all: the comment says that the database is complete.
    comment = sql.Literal(f"{COMPLETE} {size_mb:g} MB")
    new.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(identifier, comment))


def _seed(name: str) -> float:
    """Return a number between 0 and 1 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48
