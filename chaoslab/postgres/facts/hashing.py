"""The 64-bit hash of a row, as SQL: of exactly what is stored, and the same on every server.

`columns` (PostgreSQL 14 and newer) hashes each column by the hash function of its type where equal hashes mean equal
bytes, and by its binary or text form where they do not: for the server 1.0 is 1.00, -0 is 0, {{1,2}} is {1,2}, a
day is 24 hours, and labels of an enum are numbers that a restore gives out anew. A hash of a record is a sum of its
columns' hashes, each times a constant; summed once more over the rows, it would not see two rows that swapped a
value. So it is hashed a second time.

`text` hashes `ROW(...)::text`, in twice the time. Servers before 14 have nothing better, and manifests of the first
format hold it.

Both take columns by name: their order may change in a restore, where tables inherit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Method = Literal["columns", "text"]

COLUMNS_SINCE = 14
"""The first major version that can hash a record with a seed."""

_BY_THEIR_HASH = {
    "bool",
    "bytea",
    "cidr",
    "date",
    "inet",
    "int2",
    "int4",
    "int8",
    "macaddr",
    "oid",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
}
"""Types of pg_catalog of which two values hash alike only if they are the same bytes."""
_BY_A_FUNCTION = {"numeric": "numeric_send", "bpchar": "bpcharsend"}
"""Types whose binary form tells what their hash does not: the scale, the padding."""


def method_for(major: int) -> Method:
    """Return the best method that a server of this major version has."""
    return "columns" if major >= COLUMNS_SINCE else "text"


def row_hash(columns: Sequence[str], types: Sequence[str], method: Method) -> str:
    """Return the SQL expression for the hash of a row.

    Args:
        columns: quoted for SQL, sorted by name
        types: of each column: the name of a type of pg_catalog, of a domain its base; '' for any other
        method: how to hash
    """
    if method == "text":
        return f'hashtextextended(ROW({", ".join(columns)})::text COLLATE "C", 0)'
    parts = ", ".join(_form(name, kind) for name, kind in zip(columns, types, strict=True))
    return f"hashint8extended(hash_record_extended(ROW({parts}), 0), 0)"


def _form(column: str, kind: str) -> str:
    if kind in _BY_THEIR_HASH:
        return f"{column}::pg_catalog.{kind}"
    if kind in _BY_A_FUNCTION:
        return f"{_BY_A_FUNCTION[kind]}({column})"
    return f'{column}::text COLLATE "C"'
