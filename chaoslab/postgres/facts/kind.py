"""What a kind of structural fact is, and the SQL that the kinds share."""

from __future__ import annotations

from dataclasses import dataclass

USERS_OWN = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
"""What people made: neither the system's schemas nor anybody's temporary tables. The schema is `n`."""

ROLE_NAMES = """
role_name AS (
    SELECT oid, CASE WHEN oid = 10 AND coalesce(current_setting('chaoslab.bootstrap', true), '') <> ''
                     THEN current_setting('chaoslab.bootstrap', true) ELSE rolname END AS name
    FROM pg_roles
)"""
"""Role names. A scratch server's first superuser (always oid 10) stands for the source's: both own what
initdb made, and no dump says so."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of structural fact."""

    name: str
    """The key in the facts, plural: `policies`."""
    sql: str
    """Returns (identity text, value jsonb, age of the catalog row in transactions)."""
    sql_for_superusers: str = ""
    """The same with an age that only a superuser may know; '' where there is no such thing."""
    since: int = 0
    """The first major version that has this kind."""


def made_by_hand(catalog: str, oid: str) -> str:
    """Return the condition that an object belongs to no extension.

    Extensions are compared by version; what they bring along is theirs, and no dump holds it.
    """
    return (
        "NOT EXISTS (SELECT FROM pg_depend extension_member "
        f"WHERE extension_member.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass "
        f"AND extension_member.objid = {oid} AND extension_member.deptype = 'e')"
    )
