"""Try row-level security on the restored server: take the place of each role, and see which rows it sees.

What it must see is asked in the same transaction: the table without its policies, and the source's policies as a plain
condition. So nobody has to take the place of a role on the source, where the role that reads it may not do that, and
where a superuser had better not: policies call functions that other people wrote. All is rolled back.
"""
# ruff: noqa: S608 - names that the server has quoted, and the policies that the dump has brought along

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.connect import connect, load_psycopg, one_line
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.proofs.row_security import RowSecurity, Viewer
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    import psycopg

    from chaoslab.postgres.snapshot import Connection

MOST_READERS = 20
"""Roles that are tried on a table; each costs a scan or two."""
_PLACES = """
SELECT format('%%I.%%I', n.nspname, c.relname), format('%%I', n.nspname), format('%%I', c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND format('%%I.%%I', n.nspname, c.relname) = ANY(%s)
"""
_ROLES = "SELECT rolname, format('%I', rolname) FROM pg_roles"
_OF_ROLE = """
SELECT split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)
FROM pg_db_role_setting s, unnest(s.setconfig) one
WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = %s)
    AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY s.setdatabase
"""
_SAYS_WHAT_IS_MISSING = "42"
"""The class of errors about names and rights; the message of any other may hold the value of a row."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A table, quoted for SQL."""

    identity: str
    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a role sees of a table."""

    rows: int
    digest: str = ""


class _CannotTry(Exception):
    """The server does not let this role read; why."""


@dataclass(slots=True)
class Tried:
    """What came of it."""

    differences: list[Difference]
    tried: int = 0
    """Pairs of a role and a table."""


def try_row_security(
    dsn: str, structure: Mapping[str, Any], *, viewers: Sequence[Viewer] = (), digests: bool = True
) -> Tried:
    """Compare the rows that roles see in a restored database with those that the source's policies let them see.

    Args:
        dsn: a database on a server of ours, as a superuser; nothing in it stays changed
        structure: the structural facts of the source
        viewers: who reads each table, besides the roles on which its policies bear
        digests: compare which rows they are, and not only how many

    Raises:
        ConnectFailed: the restored database cannot be reached.
        CannotRead: its catalogs cannot be read.
    """
    rules, result = RowSecurity(structure), Tried([])
    if not rules.tables():
        return result
    with connect(dsn, who="the restored database", read_only=False) as connection:
        places = ask(lambda: connection.execute(_PLACES, [rules.tables()]).fetchall(), "the tables with policies")
        roles = dict(ask(lambda: connection.execute(_ROLES).fetchall(), "the roles"))
        for place in sorted(places):
            result.differences += _try_table(connection, _Place(*place), rules, viewers, roles, digests, result)
    return result


def _try_table(
    connection: Connection,
    place: _Place,
    rules: RowSecurity,
    viewers: Sequence[Viewer],
    roles: Mapping[str, str],
    digests: bool,
    result: Tried,
) -> Iterator[Difference]:
    readers = rules.readers(place.identity)
    if len(readers) > MOST_READERS:
        message = f"{len(readers) - MOST_READERS} more roles read {place.identity}; name those that matter"
        yield Difference("row-security-not-tried", place.identity, message, severity="warning")
    for viewer in dict.fromkeys([*viewers, *readers[:MOST_READERS]]):
        where = f"{place.identity} as {viewer}"
        if viewer.role not in roles:
            message = f"role {viewer.role} is not on the restored server, so nobody sees what it sees"
            yield Difference("row-security-not-tried", where, message, severity="warning")
            continue
        trial = _Trial(connection, place, viewer, roles[viewer.role], digests)
        try:
            seen, due = trial.look(rules.condition(place.identity, viewer.role))
        except _CannotTry as why:
            message = f"{viewer.role} cannot be tried on {place.identity}: {why}"
            yield Difference("row-security-not-tried", where, message, severity="warning")
            continue
        result.tried += 1
        if seen != due:
            yield _difference(where, viewer, place, seen, due)


def _difference(where: str, viewer: Viewer, place: _Place, seen: _Seen, due: _Seen) -> Difference:
    what = "other rows" if seen.rows == due.rows else "more rows" if seen.rows > due.rows else "fewer rows"
    message = f"{viewer.role} sees {what} of {place.identity} than the source's policies let it see"
    return Difference("row-security-behaviour-differs", where, message, expected=due.rows, actual=seen.rows)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One role's reads of one table, in a transaction that comes to nothing."""

    connection: Connection
    place: _Place
    viewer: Viewer
    role: str
    """Quoted for SQL."""
    digests: bool

    def look(self, condition: str) -> tuple[_Seen, _Seen]:
        """Return what the role sees, and what it must see.

        Raises:
            _CannotTry: one of both cannot be asked.
        """
        psycopg = load_psycopg()
        try:
            with self.connection.transaction(force_rollback=True):
                self._do("SET LOCAL session_replication_role = replica")  # the database's event triggers stay out of it
                # Who may read at all is compared with the grants; a policy's own columns need no right.
                self._do(f"GRANT USAGE ON SCHEMA {self.place.schema} TO {self.role}")
                self._do(f"GRANT SELECT ON {self.place.identity} TO {self.role}")
                seen = self._as_role(lambda: self._rows("true"))
                self._do(f"ALTER TABLE {self.place.identity} DISABLE ROW LEVEL SECURITY")
                return seen, self._as_role(lambda: self._rows(condition))
        except psycopg.Error as broken:
            raise _CannotTry(_reason(broken)) from None

    def _as_role(self, question: Callable[[], _Seen]) -> _Seen:
        with self.connection.transaction(force_rollback=True):
            set_one = "SELECT set_config(%s, %s, true)"
            self._do("SET LOCAL search_path TO DEFAULT")
            for name, value in self.connection.execute(_OF_ROLE, [self.viewer.role]).fetchall():
                self.connection.execute(set_one, [name, value])
            self._do(f"SET LOCAL ROLE {self.role}")
            for name, value in (*self.viewer.settings, ("row_security", "on"), ("statement_timeout", "0")):
                self.connection.execute(set_one, [name, value])
            return question()

    def _rows(self, condition: str) -> _Seen:
        row_hash = f'hashtextextended(({self.place.name}.*)::text COLLATE "C", 0)'
        digest = f"coalesce(sum({row_hash}), 0)::text" if self.digests else "''"
        query = f"SELECT count(*), {digest} FROM {self.place.identity} WHERE {condition}"
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return _Seen(*row)

    def _do(self, statement: str) -> None:
        self.connection.execute(statement)


def _reason(broken: psycopg.Error) -> str:
    state = broken.sqlstate or ""
    return one_line(broken) if state.startswith(_SAYS_WHAT_IS_MISSING) else f"the server answers with error {state}"
