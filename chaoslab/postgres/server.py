"""Ask a server small questions."""

from __future__ import annotations

from chaoslab.postgres.connect import connect
from chaoslab.postgres.snapshot import ask


def server_major(dsn: str, *, who: str = "the source") -> int:
    """Return the major version of a server.

    Raises:
        ConnectFailed: it cannot be reached.
    """
    with connect(dsn, who=who) as connection:
        query = "SELECT current_setting('server_version_num')::integer / 10000"
        row = ask(lambda: connection.execute(query).fetchone(), "the server's version")
    return int(row[0]) if row else 0


def database_of(dsn: str, *, who: str = "the source") -> str:
    """Return the name of the database that a DSN leads to.

    Raises:
        ConnectFailed: it cannot be reached.
    """
    with connect(dsn, who=who) as connection:
        row = ask(lambda: connection.execute("SELECT current_database()").fetchone(), "the database's name")
    return str(row[0]) if row else ""
