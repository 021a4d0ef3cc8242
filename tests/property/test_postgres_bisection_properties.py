"""Bisection finds exactly the rows that differ, whatever they are, and never blames the copy for what came later."""

from hashlib import blake2b
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.postgres.comparison import bisection
from chaoslab.postgres.comparison.bisection import Range, Row, Sums, bisect


class Rows:
    """A table in memory."""

    def __init__(self, rows):
        self.content = {(f"{number:05}",): row for number, row in rows.items()}

    def within(self, limits):
        return {
            key: row
            for key, row in sorted(self.content.items())
            if (limits.low is None or key >= limits.low) and (limits.high is None or key < limits.high)
        }

    def sums(self, within, bounds):
        edges = [within.low, *bounds, within.high]
        found = []
        for low, high in pairwise(edges):
            rows = self.within(Range(low, high)).values()
            firm = [row.hash for row in rows if row.settled]
            found.append(Sums(len(rows), sum(row.hash for row in rows), len(firm), sum(firm)))
        return found

    def bounds(self, within, step):
        return list(self.within(within))[step::step]

    def rows(self, within):
        return self.within(within)


HASHES = st.integers(-(2**63), 2**63 - 1)
TABLES = st.dictionaries(st.integers(0, 5000), HASHES, max_size=60)


def row(number, value, *, settled=True):
    """Make a row whose hash, as in the database, is one of the whole row with its key: equal sums are no accident."""
    digest = blake2b(f"{number} {value}".encode(), digest_size=8).digest()
    return Row(int.from_bytes(digest, signed=True), settled)


def numbers(keys):
    return [int(key) for (key,) in keys]


@given(rows=TABLES, lost=st.sets(st.integers(0, 5000)), added=TABLES, changed=TABLES, leaf=st.integers(1, 20))
def test_every_difference_is_found_and_nothing_else(rows, lost, added, changed, leaf):
    before, bisection.LEAF_ROWS = bisection.LEAF_ROWS, leaf
    try:
        copy = {number: changed.get(number, value) for number, value in rows.items() if number not in lost}
        copy |= {number: value for number, value in added.items() if number not in rows}
        original = Rows({number: row(number, value) for number, value in rows.items()})
        found = bisect(original, Rows({number: row(number, value) for number, value in copy.items()}), limit=10**6)
    finally:
        bisection.LEAF_ROWS = before
    assert numbers(found.missing) == sorted(rows.keys() - copy.keys())
    assert numbers(found.extra) == sorted(copy.keys() - rows.keys())
    assert numbers(found.changed) == [
        number for number in sorted(rows) if copy.get(number, rows[number]) != rows[number]
    ]


@given(rows=TABLES, newer=TABLES)
def test_rows_that_came_later_are_not_missed(rows, newer):
    now = {number: row(number, value) for number, value in rows.items()}
    now |= {number: row(number, value, settled=False) for number, value in newer.items()}
    found = bisect(Rows(now), Rows({number: row(number, value) for number, value in rows.items()}))
    assert found.certain() == 0
    assert found.extra == []
