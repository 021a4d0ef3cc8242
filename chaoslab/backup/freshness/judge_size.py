"""Has a backup shrunk or grown against its own history? Pure.

The median of the backups before it is the measure: one that failed last week, or a database that was filled once, does
not move it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaoslab.backup.freshness.evidence import Copy, by_database
from chaoslab.backup.freshness.judge_age import where_of
from chaoslab.core.units import format_size
from chaoslab.postgres.difference import Difference

NEEDED = 3
"""Fewer backups before it are no history."""
FLOOR_BYTES = 4096
"""Below this size, a header is most of a dump and its share says nothing."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How sizes may change."""

    shrunk: float = 0.5
    """A backup of at most this share of the usual size is a finding."""
    grown: float = 3.0
    history: int = 14
    """How many backups before it count."""


def judge_sizes(copies: Iterable[Copy], sizes: Sizes) -> list[Difference]:
    """Compare the newest backup of each database in each place with those before it there."""
    found = []
    for of_database in by_database(copies).values():
        for place in sorted({copy.place for copy in of_database}):
            found += _judge([copy for copy in of_database if copy.place == place], sizes)
    return found


def _judge(copies: Sequence[Copy], sizes: Sizes) -> list[Difference]:
    newest = copies[-1]
    where = where_of(newest)
    if newest.bytes == 0:
        return [Difference("backup-truncated", where, f"{newest.name} is empty", "a dump", "0 B")]
    # Dumps of one database in two formats have no common size.
    alike = [copy.bytes for copy in copies[:-1] if _ending(copy.name) == _ending(newest.name) and copy.bytes]
    history = alike[-sizes.history :]
    if len(history) < NEEDED:
        return []
    usual = statistics.median(history)
    share = newest.bytes / usual
    said = (
        f"{newest.name} holds {format_size(newest.bytes)}; the usual size of {newest.database}"
        f" is {format_size(round(usual))} (median of {len(history)})"
    )
    if share <= sizes.shrunk and usual >= FLOOR_BYTES:
        expected = f"more than {format_size(round(usual * sizes.shrunk))}"
        return [Difference("backup-shrunk", where, said, expected, format_size(newest.bytes))]
    if share >= sizes.grown and newest.bytes >= FLOOR_BYTES:
        expected = f"less than {format_size(round(usual * sizes.grown))}"
        return [Difference("backup-grown", where, said, expected, format_size(newest.bytes), "warning")]
    return []


def _ending(name: str) -> str:
    return ".".join(part for part in name.rpartition("/")[2].split(".")[1:] if not any(sign.isdigit() for sign in part))
