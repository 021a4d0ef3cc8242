"""Memberships in a dump of the roles: who granted them, where that cannot be repeated."""

from __future__ import annotations

import re

_NAME = r'(?:"(?:[^"]|"")+"|[^\s";]+)'
_GRANT = re.compile(
    rf"^GRANT (?P<role>{_NAME}) TO (?P<member>{_NAME})(?P<options>[^;]*?) GRANTED BY (?P<grantor>{_NAME});$", re.M
)


def without_foreign_grantors(script: str) -> str:
    """Let the restoring superuser grant what the source's first superuser had granted.

    Since PostgreSQL 16 a grantor must itself hold the role with ADMIN OPTION, or be the server's first superuser. The
    source's first superuser is an ordinary role in a scratch server, so its grants would be refused; made by the
    scratch server's own, they are the same memberships.

    Args:
        script: what `pg_dumpall --globals-only` wrote
    """
    grants = list(_GRANT.finditer(script))
    admins = {
        (one["role"], one["member"])
        for one in grants
        if "ADMIN OPTION" in one["options"] or "ADMIN TRUE" in one["options"]
    }

    def settled(one: re.Match[str]) -> str:
        if (one["role"], one["grantor"]) in admins:
            return one[0]
        return f"GRANT {one['role']} TO {one['member']}{one['options']};"

    return _GRANT.sub(settled, script)
