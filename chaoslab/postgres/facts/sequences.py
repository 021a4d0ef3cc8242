"""Where sequences stand. They are outside of transactions: a snapshot does not hold them still."""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslab.postgres.facts.kind import USERS_OWN, made_by_hand

if TYPE_CHECKING:
    import psycopg

_CHUNK = 200
"""Sequences asked in one statement: each is a relation of its own to read from."""

_NAMES = f"""
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")} AND c.relkind = 'S' ORDER BY 1
"""


def positions(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
    """Return `last_value` and `is_called` of every sequence."""
    names = [name for (name,) in connection.execute(_NAMES)]
    found: dict[str, dict[str, Any]] = {}
    for begin in range(0, len(names), _CHUNK):
        parts = [
            f"SELECT {number}, last_value, is_called FROM {name}"
            for number, name in enumerate(names[begin : begin + _CHUNK], begin)
        ]
        query = " UNION ALL ".join(parts)
        for number, last_value, is_called in connection.execute(query):
            found[names[number]] = {"last_value": last_value, "is_called": is_called}
    return found
