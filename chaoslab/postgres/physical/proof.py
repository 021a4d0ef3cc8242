"""Prove both halves of a recovery to a point: what was committed before is there, and what came after is not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.comparison.age import compare_with_live
from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.recovery_point.heartbeat import read_acknowledgements
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

WORK = "chaoslab.work"
"""What the writers of a stand-in commit beside their beats; `chaoslab.account` holds the sums."""
OURS = "chaoslab."
"""Tables that our own writers change all the time."""
_SHOWN = 5
_UNLOGGED = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'm')
"""
_TORN = """
SELECT count(*) FROM chaoslab.account a
LEFT JOIN (SELECT account, sum(amount) AS moved FROM chaoslab.work GROUP BY account) w ON w.account = a.id
WHERE a.balance <> coalesce(w.moved, 0)
"""


@dataclass(frozen=True, slots=True)
class Halves:
    """What a log of acknowledgements says about one recovered table."""

    where: str
    acknowledged: int
    """Commits that were acknowledged before the point."""
    lost: tuple[int, ...]
    """Those of them that are not there."""
    after: int
    """Commits that were acknowledged after the point: what shows that the recovery ended in time."""
    too_late: tuple[int, ...]
    """Those of them that are there all the same."""

    def differences(self, *, must_have_all: bool) -> list[Difference]:
        """Return the findings.

        Args:
            must_have_all: the recovery went to a point up to which everything was archived
        """
        found = []
        if must_have_all and self.lost:
            message = f"{len(self.lost)} commits that were acknowledged before the point are not there: "
            message += _named(self.lost)
            found.append(Difference("committed-before-missing", self.where, message, expected=0, actual=len(self.lost)))
        if self.too_late:
            message = f"{len(self.too_late)} commits of after the point are there: {_named(self.too_late)}"
            found.append(
                Difference("committed-after-present", self.where, message, expected=0, actual=len(self.too_late))
            )
        return found


def halves(
    where: str, acks: Path, database: str, present: Collection[int], *, before_s: float, after_s: float
) -> Halves:
    """Hold what is in a recovered table against what was acknowledged before and after the point.

    Args:
        where: the table's name
        acks: the log of acknowledgements
        database: whose
        present: ids in the recovered table
        before_s: until then, on our monotonic clock, nothing had happened yet
        after_s: from then on everything came after
    """
    known = read_acknowledgements(acks, database, until_mono_s=float("inf"))
    before = [beat.id for beat in known if beat.known_s <= before_s]
    # An acknowledgement is noted after its commit: what was noted soon after the point may have been committed before.
    newest_before = max(before, default=0)
    sure_after = [beat.id for beat in known if beat.known_s > after_s and beat.id > newest_before + 1]
    there = set(present)
    return Halves(
        where,
        len(before),
        tuple(one for one in before if one not in there),
        len(sure_after),
        tuple(one for one in sure_after if one in there),
    )


def ids(connection: Connection, table: str) -> list[int]:
    """Return the ids in a table of the writers; none without the table.

    Raises:
        CannotRead: it cannot be read.
    """
    row = ask(lambda: connection.execute("SELECT to_regclass(%s)", [table]).fetchone(), table)
    if row is None or row[0] is None:
        return []
    query = f"SELECT id FROM {table}"  # noqa: S608 - a constant of ours
    return [int(one[0]) for one in ask(lambda: connection.execute(query).fetchall(), table)]


def torn(connection: Connection) -> list[Difference]:
    """Return the finding that half of a transaction is there: each changed two tables by the same amount."""
    row = ask(lambda: connection.execute(_TORN).fetchone(), "chaoslab.account")
    if row is None or row[0] == 0:
        return []
    message = f"{row[0]} accounts do not hold the sum of their transactions: some are there by half"
    return [Difference("transactions-torn", "chaoslab.account", message, expected=0, actual=row[0])]


def reference(dsn: str, *, jobs: int) -> dict[str, Any]:
    """Return the facts of a stand-in to which its recovered copy is compared."""
    return without_ours(collect_facts(dsn, who="the stand-in", jobs=jobs))


def compared(expected: dict[str, Any], dsn: str, *, jobs: int) -> tuple[list[Difference], int]:
    """Compare a recovered database with the reference; return the differences and the rows that were read."""
    bootstrap = str(expected["database"]["bootstrap_role"])
    actual = without_ours(collect_facts(dsn, who="the recovered database", jobs=jobs, bootstrap=bootstrap))
    unlogged = _unlogged(dsn)
    found = [_unless_unlogged(one, unlogged) for one in compare(expected, actual)]
    return found, sum(table["rows"] for table in actual["content"].values())


def compared_with_source(live: Live) -> tuple[list[Difference], int]:
    """Compare a recovered database with its living source, as far as the source is older than the recovery point.

    Every row of both is read. Return the differences, those that the time since explains as notes, and the rows read.
    """
    found, _, recovered = compare_with_live(live)
    unlogged = _unlogged(live.restored_dsn)
    rows = sum(table["rows"] for table in recovered["content"].values())
    return [_unless_unlogged(one, unlogged) for one in found], rows


def without_ours(facts: dict[str, Any]) -> dict[str, Any]:
    """Leave out the rows of what our own writers change."""
    kept = {name: table for name, table in facts["content"].items() if not name.startswith(OURS)}
    return {**facts, "content": kept}


def _unlogged(dsn: str) -> set[str]:
    with connect(dsn, who="the recovered database") as connection:
        return {str(row[0]) for row in ask(lambda: connection.execute(_UNLOGGED).fetchall(), "unlogged tables")}


def _unless_unlogged(one: Difference, unlogged: set[str]) -> Difference:
    if one.where not in unlogged or one.code not in {"data-missing", "row-count-differs", "content-differs"}:
        return one
    message = f"{one.where} is unlogged: no physical backup brings back its rows"
    return Difference("unlogged-table-empty", one.where, message, severity="note")


def _named(found: Sequence[int]) -> str:
    return ", ".join(str(one) for one in found[:_SHOWN]) + (" ..." if len(found) > _SHOWN else "")
