"""Compare the numbers of rows of a backup with those of the live source, as far as these are older than the backup."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chaoslab.postgres.comparison.boundary import Boundary
from chaoslab.postgres.comparison.content import data_missing, is_emptied
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.facts import Facts, content
from chaoslab.postgres.snapshot import Team, ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection


def compare_counts_with_live(
    live: Live, boundary: Boundary, restored: Facts, *, source: Connection, snapshot: str
) -> list[Difference]:
    """Return the tables that hold fewer rows than the source has older ones.

    More rows prove nothing: the source may have deleted some since.

    Args:
        live: the two databases
        boundary: which rows of the source are older than the backup
        restored: the restored database's facts
        source: a connection to the source, in the snapshot
        snapshot: the snapshot of the source to look at
    """
    there = restored["content"]
    relations = [one for one in content.relations(source) if one.name in there and not _left_out(one)]
    with Team(live.connect_source, snapshot, live.jobs) as sources:
        counts = {one.name: sources.submit(_count(one, boundary)) for one in relations}
        settled = {name: {"rows": count.result()} for name, count in counts.items()}
    if is_emptied(settled, there):
        return [data_missing(settled)]
    return [
        Difference(
            "row-count-differs",
            name,
            f"{name} has {there[name]['rows']} rows, and the source has {one['rows']} that are older than the backup",
            expected=one["rows"],
            actual=there[name]["rows"],
        )
        for name, one in sorted(settled.items())
        if there[name]["rows"] < one["rows"]
    ]


def _left_out(relation: content.Relation) -> bool:
    return relation.materialized or bool(relation.condition)


def _count(relation: content.Relation, boundary: Boundary) -> Callable[[Connection], int]:
    query = f"SELECT count(*) FROM ONLY {relation.name} r WHERE {boundary.settled('r.xmin')}"  # noqa: S608

    def count(connection: Connection) -> int:
        row = ask(lambda: connection.execute(query).fetchone(), relation.name)
        return int(row[0]) if row else 0

    return count
