"""What the rows of a table say, in one scan: their number and a digest that does not depend on their order.

A row's text is that of `ROW(columns by name)`: it tells NULL (nothing), '' (`""`) and NaN apart, and does not
depend on the order of columns, which inheritance may change on restore. Its 64-bit hash is summed as a
number: a sum, unlike XOR, sees a pair of equal rows. The hash guards against accidents, not against somebody
who crafts rows to collide.
"""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.facts.kind import USERS_OWN, made_by_hand

if TYPE_CHECKING:
    import psycopg

_RELATIONS = f"""
SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'm',
    coalesce(array_agg(format('%I', a.attname) ORDER BY a.attname COLLATE "C")
             FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped), '{{}}'),
    greatest(c.reltuples, pg_relation_size(c.oid) / 100)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid
WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")}
    AND (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated)
GROUP BY c.oid, n.nspname
ORDER BY pg_relation_size(c.oid) DESC, 1
"""


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation that stores rows of its own: a table, a partition, a filled materialized view."""

    name: str
    """Schema and name, quoted for SQL."""
    columns: tuple[str, ...]
    """Quoted, sorted by name."""
    materialized: bool = False
    estimate: int = 0
    """About how many rows it holds, rather too many."""

    @property
    def row_hash(self) -> str:
        """The SQL expression for the 64-bit hash of a row."""
        return f'hashtextextended(ROW({", ".join(self.columns)})::text COLLATE "C", 0)'


def relations(connection: psycopg.Connection[tuple[Any, ...]]) -> list[Relation]:
    """Return the relations that store rows, the largest first."""
    rows = connection.execute(_RELATIONS).fetchall()
    return [Relation(name, tuple(columns), is_view, estimate) for name, is_view, columns, estimate in rows]


def digest(connection: psycopg.Connection[tuple[Any, ...]], relation: Relation) -> dict[str, Any]:
    """Count and digest the rows of one relation in one scan."""
    query = f"SELECT count(*), coalesce(sum({relation.row_hash}), 0)::text FROM ONLY {relation.name}"
    row = connection.execute(query).fetchone()
    assert row is not None
    return {"rows": row[0], "digest": row[1]}
