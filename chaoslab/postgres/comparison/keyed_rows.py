"""One copy of a table with a primary key, as the bisection asks it."""
# ruff: noqa: S608 - only names that the server has quoted go into these statements; keys are parameters

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.comparison.bisection import Key, Range, Row, Sums
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

_PRIMARY_KEY = """
SELECT format('%%I', a.attname), format_type(a.atttypid, a.atttypmod), a.attcollation <> 0
FROM pg_index x, unnest(x.indkey::smallint[]) WITH ORDINALITY AS part (number, place)
JOIN pg_attribute a ON a.attnum = part.number
WHERE x.indrelid = %s::regclass AND a.attrelid = x.indrelid AND x.indisprimary AND x.indisvalid
    AND part.place <= x.indnkeyatts
ORDER BY part.place
"""


@dataclass(frozen=True, slots=True)
class PrimaryKey:
    """The columns of a primary key."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    texts: tuple[bool, ...]
    """Which of them are sorted by a collation: two servers may have different ideas of one, so `C` stands for all."""

    @property
    def name(self) -> str:
        """How people call it."""
        return _tuple(self.columns).replace("%%", "%")

    @property
    def operand(self) -> str:
        """The SQL for the key of a row."""
        return _tuple([f"{name}{_C if text else ''}" for name, text in zip(self.columns, self.texts, strict=True)])

    @property
    def value(self) -> str:
        """The SQL for a key that is given."""
        parts = [f"%s::{kind}{_C if text else ''}" for kind, text in zip(self.types, self.texts, strict=True)]
        return _tuple(parts)

    @property
    def order(self) -> str:
        """The SQL for the order of keys."""
        return ", ".join(f"{name}{_C if text else ''}" for name, text in zip(self.columns, self.texts, strict=True))

    @property
    def shown(self) -> str:
        """The SQL for the key of a row as an array of texts."""
        return f"ARRAY[{', '.join(f'{name}::text' for name in self.columns)}]"


_C = ' COLLATE "C"'


def primary_key(connection: Connection, table: str) -> PrimaryKey | None:
    """Return the primary key of a table; None if it has none."""
    rows = ask(lambda: connection.execute(_PRIMARY_KEY, [table]).fetchall(), f"the key of {table}")
    columns, types, texts = ([row[place] for row in rows] for place in range(3))
    return PrimaryKey(tuple(map(literal, columns)), tuple(map(literal, types)), tuple(texts)) if rows else None


@dataclass(frozen=True, slots=True)
class KeyedRows:
    """One copy of a table; a `Side` of the bisection."""

    connection: Connection
    table: str
    key: PrimaryKey
    row_hash: str
    """SQL, as the other three, for a statement with parameters: see `literal`."""
    settled: str = "true"
    """The SQL condition that a row `r` must be in the other copy too."""

    def sums(self, within: Range, bounds: Sequence[Key]) -> list[Sums]:
        """Return what lies in each of the ranges into which the bounds divide a range."""
        branches = " ".join(f"WHEN {self.key.operand} < {self.key.value} THEN {n}" for n in range(len(bounds)))
        part = f"CASE {branches} ELSE {len(bounds)} END" if bounds else "0"
        where, limits = self._within(within)
        rows = self._ask(
            f"""SELECT part, count(*), coalesce(sum(hash), 0), count(*) FILTER (WHERE settled),
                    coalesce(sum(hash) FILTER (WHERE settled), 0)
                FROM (SELECT {part} AS part, {self.row_hash} AS hash, {self.settled} AS settled
                      FROM ONLY {self.table} r {where} OFFSET 0) hashed GROUP BY 1""",
            [value for bound in bounds for value in bound] + limits,
        )
        found = {
            number: Sums(count, int(total), firm, int(firm_total)) for number, count, total, firm, firm_total in rows
        }
        return [found.get(number, Sums()) for number in range(len(bounds) + 1)]

    def bounds(self, within: Range, step: int) -> list[Key]:
        """Return every so-manieth key of a range, in order."""
        where, limits = self._within(within)
        rows = self._ask(
            f"""SELECT key FROM (
                    SELECT {self.key.shown} AS key, row_number() OVER (ORDER BY {self.key.order}) AS number
                    FROM ONLY {self.table} r {where}) numbered
                WHERE number > 1 AND number %% {step} = 1 ORDER BY number""",
            limits,
        )
        return [tuple(key) for (key,) in rows]

    def rows(self, within: Range) -> dict[Key, Row]:
        """Return the rows of a range, in the order of their keys."""
        where, limits = self._within(within)
        rows = self._ask(
            f"""SELECT {self.key.shown}, {self.row_hash}, {self.settled} FROM ONLY {self.table} r {where}
                ORDER BY {self.key.order}""",
            limits,
        )
        return {tuple(key): Row(value, settled) for key, value, settled in rows}

    def _within(self, within: Range) -> tuple[str, list[str]]:
        parts = [f"{self.key.operand} >= {self.key.value}"] * (within.low is not None)
        parts += [f"{self.key.operand} < {self.key.value}"] * (within.high is not None)
        return f"WHERE {' AND '.join(parts)}" if parts else "", [*(within.low or ()), *(within.high or ())]

    def _ask(self, query: str, values: list[str]) -> list[Any]:
        return ask(lambda: self.connection.execute(query, values).fetchall(), self.table)


def literal(sql: str) -> str:
    """Return SQL for a statement with parameters, in which a per cent sign of a name would begin one."""
    return sql.replace("%", "%%")


def _tuple(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
