"""What the rows of a table say, in one scan: their number and a digest that does not depend on their order.

The 64-bit hashes of the rows (hashing.py) are summed as numbers: a sum, unlike XOR, sees a pair of equal rows. The
hash guards against accidents, not against somebody who crafts rows to collide. Sums of parts add up, so a large table
is scanned in pieces, by several connections at once.
"""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.facts.hashing import COLUMNS_SINCE, Method, row_hash
from chaoslab.postgres.facts.kind import USERS_OWN, made_by_hand

if TYPE_CHECKING:
    import psycopg

PIECE_BYTES = 64 << 20
"""A table is scanned in pieces of about so much."""
RANGES_SINCE = COLUMNS_SINCE
"""The first major version that reads a range of a table's blocks without reading the others."""

# A table that somebody has just dropped is still in the snapshot's catalogs, and has no size any more.
_RELATIONS = f"""
SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'm',
    coalesce(array_agg(format('%I', a.attname) ORDER BY a.attname COLLATE "C")
             FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped), '{{}}'),
    coalesce(array_agg(CASE WHEN base.typnamespace = 'pg_catalog'::regnamespace THEN base.typname ELSE '' END::text
                       ORDER BY a.attname COLLATE "C") FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped), '{{}}'),
    greatest(c.reltuples, pg_relation_size(c.oid) / 100)::bigint,
    CASE WHEN (SELECT amname = 'heap' FROM pg_am WHERE oid = c.relam)
         THEN coalesce(pg_relation_size(c.oid) / current_setting('block_size')::bigint, 0) ELSE 0 END,
    coalesce(pg_table_size(c.oid), 0) AS bytes, coalesce(configured.condition, '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type base ON base.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN LATERAL (
    SELECT e.extcondition[array_position(e.extconfig, c.oid)] AS condition FROM pg_extension e
    WHERE c.oid = ANY (e.extconfig)) configured ON true
WHERE {USERS_OWN} AND ({made_by_hand("pg_class", "c.oid")} OR configured.condition IS NOT NULL)
    AND (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated)
GROUP BY c.oid, n.nspname, configured.condition
ORDER BY bytes DESC, 1
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
    types: tuple[str, ...] = ()
    """Of each column: the name of a type of pg_catalog, of a domain its base; '' for any other."""
    blocks: int = 0
    """Of the heap; 0 where rows are stored in another way."""
    bytes: int = 0
    """With what is stored out of line."""
    condition: str = ""
    """Of an extension's table: which rows are the user's own, as `WHERE ...`; pg_dump dumps no others."""

    @property
    def row_hash(self) -> str:
        """The SQL expression for the 64-bit hash of a row's text, which is the same also where a type was changed."""
        return row_hash(self.columns, (), "text")

    def hash_by(self, method: Method) -> str:
        """Return the SQL expression for the 64-bit hash of a row."""
        return row_hash(self.columns, self.types, method)


type Piece = tuple[int, int | None]
"""The first block of a piece, and the first behind it; None for the end of the table."""


def relations(connection: psycopg.Connection[tuple[Any, ...]]) -> list[Relation]:
    """Return the relations that store rows, the largest first."""
    return [
        Relation(
            name,
            tuple(columns),
            materialized=is_view,
            estimate=estimate,
            types=tuple(types),
            blocks=blocks,
            bytes=size,
            condition=condition,
        )
        for name, is_view, columns, types, estimate, blocks, size, condition in connection.execute(
            _RELATIONS
        ).fetchall()
    ]


def pieces(relation: Relation, major: int) -> list[Piece]:
    """Return the pieces in which a table is scanned; their order is that of its blocks, and none is left out."""
    wanted = min(relation.bytes // PIECE_BYTES, relation.blocks)
    if wanted < 2 or major < RANGES_SINCE or relation.condition:
        return [(0, None)]
    edges = [relation.blocks * number // wanted for number in range(wanted)]
    return [*pairwise(edges), (edges[-1], None)]


def digest(
    connection: psycopg.Connection[tuple[Any, ...]],
    relation: Relation,
    *,
    method: Method = "text",
    piece: Piece = (0, None),
) -> dict[str, Any]:
    """Count and digest the rows of one relation, or of a piece of it, in one scan."""
    total = f"coalesce(sum({relation.hash_by(method)}), 0)::text"
    row = connection.execute(f"SELECT count(*), {total} FROM ONLY {relation.name}{_rows(relation, piece)}").fetchone()
    assert row is not None
    return {"rows": row[0], "digest": row[1]}


def count(
    connection: psycopg.Connection[tuple[Any, ...]], relation: Relation, *, piece: Piece = (0, None)
) -> dict[str, Any]:
    """Count the rows of one relation, or of a piece of it."""
    row = connection.execute(f"SELECT count(*) FROM ONLY {relation.name}{_rows(relation, piece)}").fetchone()
    assert row is not None
    return {"rows": row[0]}


def added_up(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return what a relation holds from what its pieces hold."""
    found = list(parts)
    total: dict[str, Any] = {"rows": sum(one["rows"] for one in found)}
    if all("digest" in one for one in found):
        total["digest"] = str(sum(int(one["digest"]) for one in found))
    return total


def _rows(relation: Relation, piece: Piece) -> str:
    if relation.condition:
        return f" {relation.condition}"
    begin, end = piece
    limits = [f"ctid >= '({begin},0)'"] * bool(begin) + ([f"ctid < '({end},0)'"] if end is not None else [])
    return f" WHERE {' AND '.join(limits)}" if limits else ""
