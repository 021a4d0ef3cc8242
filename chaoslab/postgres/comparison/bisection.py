"""Find the rows in which two copies of a table differ, by bisecting the range of its primary key.

Each side tells for sixteen ranges of the key how many rows lie in it and what their hashes sum up to. A range that
agrees is done with; one that does not is divided again, until it is small enough to fetch the keys and hashes of its
rows. So the first level reads each table once, and every further one a sixteenth of that.

Keys leave the database, no other values of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

PARTS = 16
"""Ranges that one range is divided into."""
LEAF_ROWS = 1000
"""A range with no more rows is fetched."""
LEAVES_MAX = 100
"""Ranges that are fetched at most: a source that went on since the dump differs in many that prove nothing."""

type Key = tuple[str, ...]
"""The columns of a primary key, as text."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of keys: from `low` on, below `high`; None where it has no end."""

    low: Key | None = None
    high: Key | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """What a side holds in a range."""

    rows: int = 0
    total: int = 0
    """The sum of the hashes of these rows."""
    settled_rows: int = 0
    """Rows that the other side must have too; the rest may be newer than it."""
    settled_total: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row, without its values."""

    hash: int
    settled: bool = True


class Side(Protocol):
    """One copy of the table."""

    def sums(self, within: Range, bounds: Sequence[Key]) -> list[Sums]:
        """Return what lies in each of the ranges into which the bounds divide a range."""

    def bounds(self, within: Range, step: int) -> list[Key]:
        """Return every so-manieth key of a range, in order."""

    def rows(self, within: Range) -> dict[Key, Row]:
        """Return the rows of a range, in the order of their keys."""


@dataclass(slots=True)
class Found:
    """The differing rows that were found, the lowest keys first."""

    missing: list[Key] = field(default_factory=list)
    """The copy must have them, and has not."""
    changed: list[Key] = field(default_factory=list)
    """The copy has another row with this key."""
    extra: list[Key] = field(default_factory=list)
    """Only the copy has them."""
    complete: bool = True
    """False when there may be more."""

    def certain(self) -> int:
        """Return how many rows are wrong for certain, also if some of the copy's were deleted in the original since."""
        return len(self.missing) + len(self.changed)


def bisect(original: Side, copy: Side, *, limit: int = 10) -> Found:
    """Return the first rows in which a copy differs from its original.

    Args:
        original: what the copy was made of; it may have gone on since
        copy: what is judged
        limit: differing rows after which nobody looks for more
    """
    found, leaves = Found(), 0
    todo = [(Range(), original.sums(Range(), [])[0], copy.sums(Range(), [])[0])]
    while todo:
        within, must, has = todo.pop()
        if _agree(must, has):
            continue
        if found.certain() >= limit or len(found.extra) >= limit or leaves >= LEAVES_MAX:
            found.complete = False
            break
        larger, rows = (copy, has.rows) if has.rows >= must.rows else (original, must.rows)
        bounds = larger.bounds(within, -(-rows // PARTS)) if rows > LEAF_ROWS else []
        if not bounds:
            leaves += 1
            _judge(original.rows(within), copy.rows(within), found)
            continue
        edges = [within.low, *bounds, within.high]
        ranges = [Range(low, high) for low, high in pairwise(edges)]
        parts = zip(ranges, original.sums(within, bounds), copy.sums(within, bounds), strict=True)
        todo += reversed(list(parts))  # the lowest keys come off the end first
    return found


def _agree(must: Sums, has: Sums) -> bool:
    settled = (must.settled_rows, must.settled_total)
    return (has.rows, has.total) in {(must.rows, must.total), settled}


def _judge(must: dict[Key, Row], has: dict[Key, Row], found: Found) -> None:
    for key, row in must.items():
        if row.settled and key not in has:
            found.missing.append(key)
        elif row.settled and has[key].hash != row.hash:
            found.changed.append(key)
    found.extra += [key for key in has if key not in must]
