"""Choose the table or the index that is hit: named, or the largest that nobody writes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.corruption.expecting import WRITTEN
from chaoslab.postgres.corruption.places import NoPlace
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

# Of indexes, those that hold a primary key come first: a client that knows a key reads those.
_CANDIDATES = """
SELECT c.oid::regclass::text, pg_relation_filepath(c.oid)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_am a ON a.oid = c.relam
WHERE c.relkind = %(kind)s AND coalesce(t.relkind, 'r') = 'r' AND c.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname <> %(written)s
    AND pg_relation_size(c.oid) >= %(least)s
    AND (%(kind)s = 'r' OR a.amname = 'btree')
    AND (%(name)s = '' OR c.oid = to_regclass(%(name)s))
ORDER BY coalesce(i.indisprimary, false) DESC, pg_relation_size(c.oid) DESC, 1 LIMIT 1
"""
_PAGES_MIN = {"heap": 1, "index": 2}
"""An index begins with a page about itself."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is hit."""

    name: str
    """Schema and name, quoted for SQL."""
    file: str
    """Its first file's path in the data folder."""


def choose_relation(connection: Connection, kind: str, name: str = "") -> Chosen:
    """Return the named table or index, or the largest with something in it.

    Args:
        connection: to the stand-in's database
        kind: heap or index
        name: schema and name; '' for the largest

    Raises:
        BadUsage: there is no such table or index, it is empty, or the stand-in's writers write to it.
        NoPlace: there is nothing in the database to hit.
    """
    values = {
        "kind": "r" if kind == "heap" else "i",
        "name": name,
        "least": _PAGES_MIN[kind] * 8192,
        "written": WRITTEN.rstrip("."),
    }
    row = ask(lambda: connection.execute(_CANDIDATES, values).fetchone(), "the list of tables")
    if row is not None:
        return Chosen(str(row[0]), str(row[1]))
    word = "table" if kind == "heap" else "B-tree index"
    if name:
        raise BadUsage(f"relation: there is no {word} {name} with something in it that nobody writes to")
    raise NoPlace(f"the database holds no {word} with something in it")
