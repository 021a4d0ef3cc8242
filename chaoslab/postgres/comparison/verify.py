"""Verify a restored database: against the facts of the dumped snapshot when there are any, else against the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.comparison.age import compare_with_live
from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.comparison.locating import Copies, settled_since, with_keys
from chaoslab.postgres.comparison.rewording import without_rewordings
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.facts import Facts, Level, collect_facts
from chaoslab.postgres.logical.archive import Backup
from chaoslab.postgres.proofs.row_security_trial import try_row_security
from chaoslab.postgres.snapshot import ask

_GLOBAL = {"roles", "memberships", "tablespaces", "parameter_grants"}
_WHO_SEES_WHAT = {"policies", "row_security", "roles", "memberships", "owners", "functions"}
_LEVELS: dict[str, Level] = {"rta": "counts", "full": "data"}


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying found."""

    differences: list[Difference]
    tables: int
    rows: int
    views: int = 0
    """Pairs of a role and a table with policies whose view of it was tried."""


def level_of(verification: str) -> Level:
    """Return how deep to look.

    Raises:
        BadUsage: there is no such verification.
    """
    if verification not in _LEVELS:
        raise BadUsage(
            f"verification: {verification!r} is none; choose rta (counts and structure) or full (content too)"
        )
    return _LEVELS[verification]


def verify(backup: Backup, live: Live, *, verification: str = "full") -> Verified:
    """Compare the restored database with what it must be.

    Args:
        backup: the dump that was restored
        live: the restored database, and the source as it is
        verification: `full` compares the content of every row, `rta` what proves service: structure and counts

    Raises:
        ConnectFailed: a database cannot be reached.
        CannotRead: something in one cannot be read.
    """
    level = level_of(verification)
    if backup.manifest is not None:
        expected = backup.manifest["facts"]
        restored = collect_facts(
            live.restored_dsn,
            who="the restored database",
            level=level,
            jobs=live.jobs,
            bootstrap=expected["database"]["bootstrap_role"],
            audit=live.audit,
            like=expected,
        )
        found = _located(compare(expected, restored), expected, live)
    else:
        found, expected, restored = compare_with_live(live, level=level)
    found = without_rewordings(found, expected["structure"], restored["structure"], dsn=live.restored_dsn)
    seen = try_row_security(live.restored_dsn, expected["structure"], viewers=live.viewers, digests=level == "data")
    found += seen.differences if backup.manifest is not None else _as_of_then(seen.differences, found)
    if backup.globals_path is None:
        found = list(_without_globals(found))
    rows = sum(table["rows"] for table in restored["content"].values())
    return Verified(found, len(restored["content"]), rows, seen.tried)


def _as_of_then(seen: list[Difference], found: list[Difference]) -> list[Difference]:
    """Leave open what roles should have seen when the source's own rules were changed after the backup."""
    if not any(one.code == "explained-by-age" and one.kind in _WHO_SEES_WHAT for one in found):
        return seen
    why = "; the source's policies or roles were changed after the backup"
    return [
        one if one.severity != "failure" else replace(one, severity="unknown", message=one.message + why)
        for one in seen
    ]


def _located(found: list[Difference], expected: Facts, live: Live) -> list[Difference]:
    """Say which rows differ, where the source is still there and the facts say which of its rows are as old."""
    origin = expected.get("origin")
    if not origin or not live.source_dsn:
        return found
    copies = Copies(live.source_dsn, live.restored_dsn, settled_since(origin))
    return with_keys(found, copies, origin=origin, show_keys=live.show_keys)


def bootstrap_role(dsn: str) -> str:
    """Return the name of a server's first superuser, who owns what initdb made."""
    with connect(dsn, who="the source") as connection:
        query = "SELECT rolname FROM pg_roles WHERE oid = 10"
        row = ask(lambda: connection.execute(query).fetchone(), "the roles")
    return str(row[0]) if row else ""


def _without_globals(found: Iterable[Difference]) -> Iterator[Difference]:
    """Gather what only a dump of the roles could have brought.

    A role that something in the database needs has been complained about by the restore: that stays a failure.
    """
    absent = []
    for one in found:
        outside = one.kind in _GLOBAL or one.where.startswith("of role ")
        outside |= one.kind == "comments" and one.where.startswith(("role ", "tablespace "))
        if outside and one.code.endswith("-missing"):
            absent.append(one.where)
        else:
            yield one
    if absent:
        names = ", ".join(absent[:5]) + (" ..." if len(absent) > 5 else "")
        message = f"the backup holds no roles, so {len(absent)} roles, memberships or role settings are lost: {names}"
        yield Difference("globals-absent", "roles", message, actual=len(absent), severity="warning")
