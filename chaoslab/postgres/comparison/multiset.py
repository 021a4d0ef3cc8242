"""Find out whether one table holds all rows of another, without fetching either: by buckets of row hashes.

Each side tells for each of some thousand buckets how many rows fall into it and what their hashes sum up to.
Buckets that agree need no second look. Of the few that do not, the hashes themselves are fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

BUCKETS_MIN, BUCKETS_MAX = 1 << 12, 1 << 18
ROWS_A_BUCKET = 16
"""One changed row costs the fetching of about so many on each side."""
FETCH_MAX = 2_000_000
"""Row hashes that are fetched at most: some 200 MB."""

Buckets = Mapping[int, tuple[int, int]]
"""bucket -> (rows, sum of their hashes)"""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """How the rows of a backup relate to those of the live source."""

    missing: int
    """Rows that the backup must have and has not, at least."""
    gone: int
    """Rows that the backup has and the source has no more: changed or deleted since."""
    newer: int
    """Rows that the source has and the backup cannot have."""
    exact: bool = True
    """False when too much differed to be looked at row by row."""


def bucket_count(rows: int) -> int:
    """Return how many buckets suit a table of about so many rows: a power of two."""
    wanted = 1 << max(0, rows // ROWS_A_BUCKET).bit_length()
    return min(max(wanted, BUCKETS_MIN), BUCKETS_MAX)


def include(
    settled: Buckets,
    young: Buckets,
    backup: Buckets,
    *,
    fetch_source: Callable[[list[int]], tuple[Iterable[int], Iterable[int]]],
    fetch_backup: Callable[[list[int]], Iterable[int]],
) -> Inclusion:
    """Judge whether a backup holds all settled rows of the source.

    Args:
        settled: the source's rows that are older than the backup for certain
        young: the source's other rows: newer, or so close to the backup that it may have them or not
        backup: the backup's rows
        fetch_source: returns the hashes of the source's rows in some buckets, the settled ones and the others
        fetch_backup: returns the hashes of the backup's rows in some buckets
    """
    dirty = [
        bucket
        for bucket in sorted(settled.keys() | backup.keys())
        if settled.get(bucket, (0, 0)) != backup.get(bucket, (0, 0))
    ]
    unclean = set(dirty)
    only_young = sum(count for bucket, (count, _) in young.items() if bucket not in unclean)
    to_fetch = sum(side.get(bucket, (0, 0))[0] for side in (settled, young, backup) for bucket in dirty)
    if to_fetch > FETCH_MAX:
        return _by_counts(settled, young, backup, dirty, only_young)
    must, may = (Counter(hashes) for hashes in (fetch_source(dirty) if dirty else ((), ())))
    has = Counter(fetch_backup(dirty) if dirty else ())
    extra = has - must
    return Inclusion(
        missing=(must - has).total(),
        gone=(extra - may).total(),
        newer=only_young + (may - extra).total(),
    )


def _by_counts(settled: Buckets, young: Buckets, backup: Buckets, dirty: list[int], only_young: int) -> Inclusion:
    """Judge by the buckets alone: a bucket that lost rows, or swapped one, misses at least one row."""
    missing = gone = 0
    for bucket in dirty:
        (must, must_sum), (has, has_sum) = settled.get(bucket, (0, 0)), backup.get(bucket, (0, 0))
        missing += max(must - has, 1 if must == has and must_sum != has_sum else 0)
        gone += max(0, has - must)
    newer = only_young + sum(young.get(bucket, (0, 0))[0] for bucket in dirty)
    return Inclusion(missing, gone, newer, exact=False)
