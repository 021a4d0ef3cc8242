"""Connect to a PostgreSQL server: pinned session settings, read-only by default, errors of one line.

The same row must have the same text everywhere, or a digest taken on two servers means nothing. So whatever
a server, a database or a role has configured, these sessions use the settings below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chaoslab.core.errors import ChaoslabError, Missing

if TYPE_CHECKING:
    import psycopg

APPLICATION_NAME = "chaoslab"
CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT = "10s"
"""How long a reader waits behind somebody who changes a table: others queue up behind the reader."""
_IMPATIENCE = {
    "idle_in_transaction_session_timeout": 90600,
    "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}
"""Settings by which a server ends sessions of its own accord, each with the version that brought it."""
PINNED_SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "search_path": "",
    "quote_all_identifiers": "off",
    "xmlbinary": "base64",
    "client_encoding": "UTF8",
    # A policy must not hide rows from us in silence: the server then answers with an error.
    "row_security": "off",
}
"""What turns a value or a definition into text; kept in every set of facts."""

_HINT = "give one in PGPASSWORD, in ~/.pgpass, or in the DSN of a --var-file"
_PARTS = re.compile(r"(?:connection to server .*? failed: )?(?:FATAL: +)?(?P<reason>.+)", re.DOTALL)


class ConnectFailed(ChaoslabError):
    """The server could not be reached, or did not let us in."""


def connect(
    dsn: str,
    *,
    who: str = "the server",
    database: str = "",
    read_only: bool = True,
    statement_timeout_s: float = 0.0,
    connect_timeout_s: int = CONNECT_TIMEOUT_S,
) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection in autocommit mode with pinned settings.

    Args:
        dsn: URI (`postgresql://user@host/db`) or `key=value` pairs
        who: how errors call the server, such as `the source`
        database: connect to this one instead of the DSN's
        read_only: every transaction is read-only unless it says otherwise
        statement_timeout_s: seconds that one statement may take; 0 for any time
        connect_timeout_s: seconds that connecting may take

    Raises:
        ConnectFailed: the DSN is wrong, or the server refused; one line, without the password.
        Missing: psycopg is not installed.
    """
    psycopg = load_psycopg()
    parts = parse_dsn(dsn, who=who)
    if database:
        parts["dbname"] = database
    parts.setdefault("connect_timeout", str(connect_timeout_s))
    parts.setdefault("application_name", APPLICATION_NAME)
    try:
        connection: Any = psycopg.connect(**parts, autocommit=True)
    except psycopg.Error as broken:
        raise ConnectFailed(f"{who} ({describe(dsn)}): {_reason(broken, parts)}") from None
    try:
        _pin(connection, read_only=read_only, statement_timeout_s=statement_timeout_s)
    except psycopg.Error as broken:
        connection.close()
        raise ConnectFailed(f"{who} ({describe(dsn)}): {_reason(broken, parts)}") from None
    return connection  # type: ignore[no-any-return]


def _pin(connection: Any, *, read_only: bool, statement_timeout_s: float) -> None:
    settings = {
        "default_transaction_read_only": "on" if read_only else "off",
        "statement_timeout": str(round(statement_timeout_s * 1000)),
        "lock_timeout": LOCK_TIMEOUT if read_only else "0",
        # One connection holds the snapshot, idle, as long as the dump takes; pg_dump switches these off as well.
        **{name: "0" for name, since in _IMPATIENCE.items() if connection.info.server_version >= since},
        **PINNED_SETTINGS,
    }
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    connection.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])


def load_psycopg() -> Any:
    """Return the module psycopg.

    Raises:
        Missing: it is not installed, or has no libpq.
    """
    try:
        import psycopg
    except ImportError:
        raise Missing("psycopg", "pip install 'chaoslab[pg]'") from None
    return psycopg


def parse_dsn(dsn: str, *, who: str = "the server") -> dict[str, str]:
    """Split a connection string into libpq's keywords.

    Raises:
        ConnectFailed: it is none; the text itself is not repeated, it may hold a password.
    """
    psycopg = load_psycopg()
    from psycopg.conninfo import conninfo_to_dict

    example = "write postgresql://USER@HOST:PORT/DATABASE or host=HOST dbname=DATABASE"
    if not dsn.strip():
        raise ConnectFailed(f"{who}: no connection string given; {example}")
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.Error:
        raise ConnectFailed(f"{who}: not a PostgreSQL connection string; {example}") from None
    return {key: str(value) for key, value in parts.items()}


def split_password(dsn: str) -> tuple[str, dict[str, str]]:
    """Return a connection string without secrets, and the environment that carries them.

    Arguments of a program can be read by every user of the machine, its environment cannot.
    """
    load_psycopg()
    from psycopg.conninfo import make_conninfo

    parts = parse_dsn(dsn)
    environment = {}
    if "password" in parts:
        environment["PGPASSWORD"] = parts.pop("password")
    if "sslpassword" in parts:
        raise ConnectFailed("a DSN with sslpassword is not supported; use a key without a passphrase")
    parts.setdefault("connect_timeout", str(CONNECT_TIMEOUT_S))
    parts.setdefault("application_name", APPLICATION_NAME)
    return make_conninfo("", **parts), environment


def with_database(dsn: str, database: str) -> str:
    """Return the connection string of another database of the same server."""
    load_psycopg()
    from psycopg.conninfo import make_conninfo

    return make_conninfo(**{**parse_dsn(dsn), "dbname": database})


def describe(dsn: str) -> str:
    """Return `user@host:port/database` for people, without secrets."""
    parts = parse_dsn(dsn)
    user = f"{parts['user']}@" if "user" in parts else ""
    host = parts.get("host", parts.get("hostaddr", parts.get("service", "local socket")))
    port = f":{parts['port']}" if "port" in parts else ""
    return f"{user}{host}{port}/{parts.get('dbname', parts.get('user', ''))}"


def one_line(error: BaseException) -> str:
    """Return the first line of a database error: the server's message, without detail rows."""
    diag = getattr(error, "diag", None)
    message = getattr(diag, "message_primary", None) or str(error)
    return message.strip().splitlines()[0] if message.strip() else type(error).__name__


def _reason(error: BaseException, parts: dict[str, str]) -> str:
    """Return why connecting failed; libpq tries several addresses and the last says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "failed" in line or "FATAL" in line or "error" in line] or lines
    text = telling[-1] if telling else type(error).__name__
    match = _PARTS.fullmatch(text)
    reason = match["reason"] if match else text
    for key in ("password", "sslpassword"):
        if parts.get(key):
            reason = reason.replace(parts[key], "***")
    return f"{reason}; {_HINT}" if "no password supplied" in reason else reason
