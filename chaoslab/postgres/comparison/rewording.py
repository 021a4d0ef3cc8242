"""Ask the restored server whether two definitions that read differently mean the same.

A server keeps definitions parsed and words them anew on request; another version, or the same after a restore,
may choose other words (`payment.amount`, `amount`). So the restored server is given the source's wording, in a
transaction that is rolled back, and the two are compared as it words them itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.connect import connect, load_psycopg
from chaoslab.postgres.difference import Difference

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

_KINDS = {"views", "constraints", "policies", "columns"}
_CHECK = re.compile(r"CHECK (?P<expression>\(.*\))( NO INHERIT)?( NOT VALID)?", re.DOTALL)
_WORDED = {"definition", "using", "check", "default"}


def without_rewordings(
    differences: Iterable[Difference], expected: Mapping[str, Any], actual: Mapping[str, Any], *, dsn: str
) -> list[Difference]:
    """Return the differences without those in words only.

    Args:
        differences: what `compare` found
        expected: the structure that was compared with
        actual: the structure of the restored database
        dsn: the restored database

    Raises:
        ConnectFailed: it cannot be reached.
    """
    found = list(differences)
    doubtful = [one for one in found if one.kind in _KINDS and one.code.endswith("-differs")]
    if not doubtful:
        return found
    with connect(dsn, who="the restored database", read_only=False, statement_timeout_s=30) as connection:
        tables = sorted(actual["tables"], key=len, reverse=True)
        same = {
            id(one)
            for one in doubtful
            if _same(connection, one, expected[one.kind][one.where], actual[one.kind][one.where], tables)
        }
    return [one for one in found if id(one) not in same]


def _same(
    connection: Connection,
    difference: Difference,
    expected: Mapping[str, Any],
    actual: Mapping[str, Any],
    tables: list[str],
) -> bool:
    """Say whether a difference is one of words only; anything that cannot be worded anew is not."""
    names = {name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name)}
    if not names <= _WORDED or not all(expected.get(name) and actual.get(name) for name in names):
        return False
    table = next((name for name in tables if difference.where.startswith(f"{name}.")), "")
    return all(
        _meaning(connection, difference.kind, expected[name], table)
        == (_meaning(connection, difference.kind, actual[name], table) or object())
        for name in names
    )


def _meaning(connection: Connection, kind: str, text: str, table: str) -> str | None:
    """Return a definition in the words of this server; None when it does not take it."""
    if kind == "views":
        select = text.rstrip("; \n")
    else:
        check = _CHECK.fullmatch(text) if kind == "constraints" else None
        expression = check["expression"] if check else text
        if not table or (kind == "constraints" and not check):
            return None
        select = f"SELECT ({expression}) AS expression FROM {table}"  # noqa: S608 - both as a server worded them
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"CREATE TEMPORARY VIEW chaoslab_wording AS {select}")
            row = connection.execute("SELECT pg_get_viewdef('pg_temp.chaoslab_wording'::regclass)").fetchone()
    except load_psycopg().Error:
        return None
    return str(row[0]) if row else None
