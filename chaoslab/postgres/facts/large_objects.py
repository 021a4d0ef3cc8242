"""Large objects: their number, content, owners and rights, each as one digest of all."""

# ruff: noqa: S608 - only constants go into the statement

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslab.postgres.facts.kind import ROLE_NAMES

if TYPE_CHECKING:
    import psycopg

# lo_get reads under the transaction's snapshot and asks for the right to read, as pg_dump does.
_LARGE_OBJECTS = f"""
WITH {ROLE_NAMES}, thing AS (
    SELECT m.oid, owner.name AS owner, (
        SELECT string_agg(concat(coalesce(r.name, 'public'), ' ', a.privilege_type, ' ', a.is_grantable), ','
                          ORDER BY coalesce(r.name, 'public'), a.privilege_type)
        FROM aclexplode(m.lomacl) a LEFT JOIN role_name r ON r.oid = a.grantee
        WHERE a.grantee <> m.lomowner) AS rights
    FROM pg_largeobject_metadata m JOIN role_name owner ON owner.oid = m.lomowner
)
SELECT count(*), coalesce(sum(hashtextextended(concat(oid, ' ', md5(lo_get(oid))), 0)::numeric), 0)::text,
    coalesce(sum(hashtextextended(concat(oid, ' ', owner, ' ', rights), 0)::numeric), 0)::text
FROM thing
"""


def digest(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, Any]:
    """Count and digest all large objects."""
    row = connection.execute(_LARGE_OBJECTS).fetchone()
    assert row is not None
    return {"count": row[0], "digest": row[1], "rights": row[2]}


def count(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, Any]:
    """Count all large objects."""
    row = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    assert row is not None
    return {"count": row[0]}
