"""Which databases a drill over many servers deals with, and which it leaves out, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.core.several import connection_strings
from chaoslab.postgres.connect import connect, parse_dsn, with_database
from chaoslab.postgres.facts import content
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

ALL = "all"
_DATABASES = """
SELECT datname, datistemplate, datallowconn, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN
    pg_database_size(oid) ELSE 0 END
FROM pg_database ORDER BY datname
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One source server."""

    label: str
    """Its address, `db-1:5432`: how reports call it."""
    dsn: str
    alone: bool
    """Whether it is the only one, so that a database's own name says enough."""

    def dsn_of(self, database: str) -> str:
        """Return the connection string of one of its databases."""
        return with_database(self.dsn, database)

    def name_of(self, database: str) -> str:
        """Return how reports call one of its databases."""
        return database if self.alone else f"{self.label}/{database}"


@dataclass(frozen=True, slots=True)
class Member:
    """One database of the fleet: plain data, handed from step to step."""

    name: str
    """How reports call it; findings in it are at `NAME/...`."""
    server: str
    """The label of its server."""
    database: str
    bytes: int
    """What it takes on the source's disk."""
    path: str = ""
    """Its dump; '' as long as there is none."""
    globals: str = ""
    """The roles of its server."""
    made_by_drill: bool = False
    failed: bool = False
    """It came to grief already; there is nothing to restore."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one server has."""

    chosen: list[Member]
    left_out: dict[str, str]
    """Databases that nobody asks for by name, each with the reason."""
    unmatched: list[str]
    """Names and patterns that fit no database of the server."""
    major: int


def servers_of(source: str | Sequence[str]) -> list[Server]:
    """Read one or many connection strings.

    Raises:
        BadUsage: there is none, or two lead to the same server.
        ConnectFailed: one is no connection string.
    """
    found = connection_strings(source)
    if not found:
        raise BadUsage("source: name at least one server; write postgresql://USER@HOST:PORT/DATABASE")
    servers = [Server(_label(dsn), dsn, alone=len(found) == 1) for dsn in found]
    labels = [server.label for server in servers]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise BadUsage(f"source: {twice[0]} is named twice; name each server once, and its databases in `databases`")
    return servers


def patterns_of(databases: str | Sequence[str]) -> list[str]:
    """Read which databases are meant: `all`, or names and patterns of file names, separated by commas or spaces.

    Raises:
        BadUsage: nothing is named.
    """
    words = databases.replace(",", " ").split() if isinstance(databases, str) else [str(one) for one in databases]
    if not words:
        raise BadUsage("databases: write all, or names and patterns such as shop,billing_*")
    return words


def survey(server: Server, patterns: Sequence[str]) -> Survey:
    """Look at what a server has, and choose.

    Raises:
        ConnectFailed: it cannot be reached.
        CannotRead: it does not tell.
    """
    with connect(server.dsn, who=f"server {server.label}") as connection:
        rows = ask(lambda: connection.execute(_DATABASES).fetchall(), "the list of databases")
        major = connection.info.server_version // 10000
    chosen, left_out, met = [], {}, set()
    for name, template, connectable, size in rows:
        named = {one for one in patterns if one != ALL and _fits(server, name, one)}
        exact = server.name_of(name) in patterns or name in patterns
        met |= named
        if not named and ALL not in patterns:
            continue
        reason = "" if exact else _reason_to_leave_out(server, name, template=template, connectable=connectable)
        if reason:
            left_out[server.name_of(name)] = reason
        else:
            chosen.append(Member(server.name_of(name), server.label, name, int(size)))
    unmatched = [one for one in patterns if one != ALL and one not in met]
    return Survey(chosen, left_out, unmatched, major)


def members_of(handed: Sequence[Mapping[str, Any]]) -> list[Member]:
    """Return the databases that an earlier step handed over, the largest first."""
    return sorted((Member(**one) for one in handed), key=lambda member: (-member.bytes, member.name))


def _fits(server: Server, database: str, pattern: str) -> bool:
    return fnmatchcase(database, pattern) or fnmatchcase(f"{server.label}/{database}", pattern)


def _reason_to_leave_out(server: Server, name: str, *, template: bool, connectable: bool) -> str:
    if template:
        return "it is a template"
    if not connectable:
        return "it does not let anybody connect"
    if name == "postgres" and not _has_tables(server.dsn_of(name)):
        return "it is empty"
    return ""


def _has_tables(dsn: str) -> bool:
    try:
        with connect(dsn, who="the source") as connection:
            return bool(_relations(connection))
    except ChaoslabError:
        return True  # it will be dealt with like any other, and what is wrong with it be told


def _relations(connection: Connection) -> Iterator[Any] | list[Any]:
    return ask(lambda: content.relations(connection), "the list of tables")


def _label(dsn: str) -> str:
    parts = parse_dsn(dsn, who="the source")
    host = parts.get("host") or parts.get("hostaddr") or parts.get("service") or "local"
    return f"{host.split(',')[0].rpartition('/')[2] or host}:{parts.get('port', '5432').split(',')[0]}"
