"""Retention deletes by date, not by luck: whatever is there, whenever and however often it is asked."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.backup.retention import Kept, Policy, first_sunday_of, reasons, sunday_of, superfluous
from chaoslab.backup.stamp import instant_of, is_stamp, stamp_of

BEGIN = datetime.date(2025, 1, 1)
DATABASES = ("a", "b", "c")
days = st.integers(0, 900).map(lambda n: BEGIN + datetime.timedelta(days=n))
instants = st.builds(
    lambda day, second: (
        datetime.datetime.combine(day, datetime.time(), datetime.UTC) + datetime.timedelta(seconds=second)
    ),
    days,
    st.integers(0, 86399),
)
kept = st.builds(Kept, instants.map(stamp_of), st.frozensets(st.sampled_from(DATABASES)))
stores = st.lists(kept, max_size=40, unique_by=lambda one: one.stamp)
policies = st.builds(Policy, st.integers(0, 40), st.sampled_from([0, 20, 90]), st.sampled_from([0, 100, 365]))


def prune(store, policy, today):
    gone = set(superfluous(store, policy, today))
    return [one for one in store if one.stamp not in gone]


def day_of(one):
    return instant_of(one.stamp).date()


@given(stores, policies, days)
def test_the_last_good_one_of_every_database_stays(store, policy, today):
    left = prune(store, policy, today)
    for name in DATABASES:
        past = [one.stamp for one in store if name in one.good and day_of(one) <= today]
        if past:
            assert max(past) in {one.stamp for one in left}


@given(stores, policies, days)
def test_twice_is_once(store, policy, today):
    left = prune(store, policy, today)
    assert prune(left, policy, today) == left


@given(stores, policies, days, st.integers(0, 400))
def test_it_does_not_matter_when_it_ran_before(store, policy, today, later):
    then = today + datetime.timedelta(days=later)
    assert prune(prune(store, policy, today), policy, then) == prune(store, policy, then)


@given(stores, policies, days, st.randoms())
def test_the_order_of_a_listing_does_not_matter(store, policy, today, chance):
    shuffled = list(store)
    chance.shuffle(shuffled)
    assert superfluous(shuffled, policy, today) == superfluous(store, policy, today)


@given(stores, policies, days)
def test_exactly_what_the_policy_says(store, policy, today):
    """The rules once more, said another way: each good set asks for itself whether something keeps it."""
    left = {one.stamp for one in prune(store, policy, today)}
    for one in store:
        age = (today - day_of(one)).days
        wanted = age < 0 or age <= policy.daily_days
        for name in one.good:
            others = [other for other in store if name in other.good and day_of(other) <= today]
            for period, limit in ((sunday_of, policy.weekly_days), (first_sunday_of, policy.monthly_days)):
                begin = period(day_of(one))
                same = [other.stamp for other in others if period(day_of(other)) == begin]
                wanted |= bool(limit) and age >= 0 and one.stamp == min(same) and (today - begin).days <= limit
            wanted |= age >= 0 and one.stamp == max(other.stamp for other in others)
        assert (one.stamp in left) == wanted


@given(stores, policies, days)
def test_a_set_without_a_good_database_keeps_nothing_from_its_place(store, policy, today):
    """A run that failed changes nothing for the others."""
    good = [one for one in store if one.good]
    with_bad = {stamp: why for stamp, why in reasons(store, policy, today).items() if stamp in {g.stamp for g in good}}
    assert with_bad == reasons(good, policy, today)


@given(days)
def test_sundays(day):
    assert sunday_of(day).weekday() == 6
    assert 0 <= (day - sunday_of(day)).days < 7
    first = first_sunday_of(day)
    assert first.weekday() == 6
    assert first.day <= 7
    assert 0 <= (day - first).days < 35
    assert sunday_of(first) == first


@given(instants)
def test_a_name_tells_its_instant(instant):
    assert is_stamp(stamp_of(instant))
    assert instant_of(stamp_of(instant)) == instant
