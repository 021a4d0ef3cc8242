"""Which rows of a live source are older than a backup, told by the numbers of the transactions that wrote them.

The newest beat in a backup was committed before the backup's snapshot. Its row in the source tells by which
transaction. What the source wrote in later transactions, the backup cannot have.

Transactions end in another order than they begin, so a row of a slightly older transaction may still have been
invisible to the snapshot. Rows are sure to be in the backup when their transaction is older than a beat that
was committed some time before the newest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaoslab.postgres.recovery_point.heartbeat import TABLE, has_heartbeat
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

GRACE_S = 60.0
"""A transaction that was open for longer while the backup was made could still look like a loss."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Two transactions of the source between which the backup's snapshot was taken, or a little later."""

    settled_xid: str
    """What this transaction or an older one wrote is in the backup."""
    newest_at: str
    """When that beat was written, by the source's clock."""

    def settled(self, xmin: str) -> str:
        """Return the SQL condition that a row was written so long ago that the backup has it.

        A frozen row may carry a number so old that it counts as future: its age is then negative.
        """
        return f"(age({xmin}) >= age('{self.settled_xid}'::xid) OR age({xmin}) < 0)"


def find_boundary(source: Connection, newest: int | None, table: str = TABLE) -> Boundary | str:
    """Find the source's transactions around a backup; or say why that is not possible.

    Args:
        source: the live database
        newest: the id of the newest beat in the backup
        table: the heartbeat
    """
    if newest is None:
        return "the backup holds no heartbeat"
    if not has_heartbeat(source, table):
        return f"the source has no {table}"
    query = f"""
        SELECT older.xmin::text, to_char(newest.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        FROM {table} newest, LATERAL (
            SELECT b.xmin FROM {table} b WHERE b.id <= newest.id
            ORDER BY b.at <= newest.at - make_interval(secs => {GRACE_S}) DESC,
                CASE WHEN b.at <= newest.at - make_interval(secs => {GRACE_S}) THEN -b.id ELSE b.id END
            LIMIT 1
        ) older
        WHERE newest.id = %s
    """  # noqa: S608
    row = ask(lambda: source.execute(query, [newest]).fetchone(), f"the heartbeat in {table}")
    if row is None:
        return f"the backup's newest beat ({newest}) is not in the source any more"
    return Boundary(*row)
