"""Buckets find exactly what comparing whole multisets would find."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.postgres.comparison import multiset
from chaoslab.postgres.comparison.multiset import BUCKETS_MAX, BUCKETS_MIN, bucket_count, include

COUNT = 8
HASHES = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20), max_size=40)


def buckets(hashes):
    found = {}
    for one in hashes:
        count, total = found.get(one & (COUNT - 1), (0, 0))
        found[one & (COUNT - 1)] = (count + 1, total + one)
    return found


def judged(settled, young, backup):
    def within(hashes, dirty):
        return [one for one in hashes if one & (COUNT - 1) in dirty]

    return include(
        buckets(settled),
        buckets(young),
        buckets(backup),
        fetch_source=lambda dirty: (within(settled, dirty), within(young, dirty)),
        fetch_backup=lambda dirty: within(backup, dirty),
    )


@given(st.integers(0, 10**12))
def test_the_number_of_buckets_is_a_power_of_two_within_bounds(rows):
    count = bucket_count(rows)
    assert count & (count - 1) == 0
    assert BUCKETS_MIN <= count <= BUCKETS_MAX


@given(settled=HASHES, young=HASHES, backup=HASHES)
def test_it_is_the_multiset_difference(settled, young, backup):
    found = judged(settled, young, backup)
    must, may, has = Counter(settled), Counter(young), Counter(backup)
    assert found.missing == (must - has).total()
    assert found.gone == (has - must - may).total()
    assert found.newer == (may - (has - must)).total()


@given(settled=HASHES, young=HASHES, gone=HASHES)
def test_a_backup_that_holds_all_it_must_misses_nothing(settled, young, gone):
    assert judged(settled, young, settled + gone).missing == 0


@given(settled=HASHES.filter(bool), young=HASHES, data=st.data())
def test_one_changed_row_is_always_found(settled, young, data):
    place = data.draw(st.integers(0, len(settled) - 1))
    changed = [*settled[:place], settled[place] ^ 1, *settled[place + 1 :]]
    assert judged(settled, young, changed).missing >= 1


@given(settled=HASHES, young=HASHES, backup=HASHES)
def test_counting_alone_never_claims_more_than_is_missing(settled, young, backup):
    limit = multiset.FETCH_MAX
    multiset.FETCH_MAX = -1
    try:
        found = judged(settled, young, backup)
    finally:
        multiset.FETCH_MAX = limit
    assert found.missing <= (Counter(settled) - Counter(backup)).total()
    assert not found.exact
