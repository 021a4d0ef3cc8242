"""What must hold for every store of backups."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from chaoslab.backup.freshness.headers import read_header
from chaoslab.backup.freshness.judge_retention import missing_days
from chaoslab.backup.freshness.names import read_name
from chaoslab.backup.retention import Kept, Policy, superfluous
from chaoslab.backup.stamp import instant_of

POLICY = Policy(6, 21, 70)
BEGIN = date(2026, 1, 5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 120), st.integers(0, 400))
def test_what_retention_keeps_of_nightly_runs_has_no_hole(nights, shift):
    sets: list[Kept] = []
    for night in range(nights):
        today = BEGIN + timedelta(days=shift + night)
        sets.append(Kept(f"{today:%Y%m%d}T020000Z", frozenset({"db/shop"})))
        gone = set(superfluous(sets, POLICY, today))
        sets = [one for one in sets if one.stamp not in gone]
    present = {instant_of(one.stamp).date() for one in sets}
    assert missing_days(present, POLICY, today, begin=BEGIN + timedelta(days=shift)) == {}


@given(st.sets(st.integers(0, 80), min_size=1), st.integers(0, 80))
def test_another_backup_between_others_never_makes_a_hole(ages, extra):
    today = date(2026, 11, 21)
    present = {today - timedelta(days=age) for age in ages}
    begin, newest = min(present), max(present)
    more = present | {min(max(today - timedelta(days=extra), begin), newest)}
    before = missing_days(present, POLICY, today, begin=begin)
    after = missing_days(more, POLICY, today, begin=begin)
    assert after.keys() <= before.keys()


@given(st.sets(st.integers(0, 80), min_size=1))
def test_a_day_of_the_last_ones_is_there_or_missing(ages):
    today = date(2026, 11, 21)
    present = {today - timedelta(days=age) for age in ages}
    missing = missing_days(present, POLICY, today, begin=min(present))
    for age in range(1, POLICY.daily_days):
        day = today - timedelta(days=age)
        inside = min(present) <= day < max(present)
        assert (day in missing) == (inside and day not in present)


@given(st.integers(946_684_800, 4_070_908_800), st.sampled_from(["shop", "a_b", "x-1"]))
def test_every_stamp_in_a_name_is_read_back(seconds, database):
    at = datetime.fromtimestamp(seconds, UTC)
    for name in (f"{database}-{at:%Y%m%dT%H%M%SZ}.dump", f"{database}_{at:%Y-%m-%d_%H-%M-%S}.sql.gz"):
        named = read_name(name, UTC)
        assert (named.database, named.low_s) == (database, at.timestamp())


@given(st.text(max_size=60))
def test_no_name_breaks_the_reader(name):
    read_name(name, UTC)


@given(st.binary(max_size=700), st.sampled_from([b"", b"PGDMP\x01\x0e\x00\x04\x08\x01", b"\x1f\x8b\x08", b"\x85"]))
def test_no_bytes_break_the_reader(content, begin):
    read_header(begin + content)
