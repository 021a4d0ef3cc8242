"""Retention by the calendar: a year of nights, and nights that failed."""

import datetime

import pytest

from chaoslab.backup.retention import Kept, Policy, reasons, superfluous
from chaoslab.backup.stamp import is_stamp

TODAY = datetime.date(2026, 11, 21)  # a Saturday
NAMES = frozenset({"shop"})


def night(day, *, good=NAMES):
    return Kept(f"{day:%Y%m%d}T020000Z", good)


def nights(count, skip=()):
    days = [TODAY - datetime.timedelta(days=n) for n in range(count)]
    return [night(day) for day in days if day not in skip]


def days_kept(sets):
    return sorted(f"{s[4:6]}-{s[6:8]}" for s, why in reasons(sets, Policy(), TODAY).items() if why)


def test_a_year_of_nights():
    kept = {s: why for s, why in reasons(nights(500), Policy(), TODAY).items() if why}
    daily = [s for s, why in kept.items() if "daily" in why]
    weekly = [s for s, why in kept.items() if "weekly" in why]
    monthly = [s for s, why in kept.items() if "monthly" in why]
    assert (len(daily), daily[0], daily[-1]) == (31, "20261022T020000Z", "20261121T020000Z")
    assert (len(weekly), weekly[0], weekly[-1]) == (13, "20260823T020000Z", "20261115T020000Z")
    assert (len(monthly), monthly[0], monthly[-1]) == (12, "20251207T020000Z", "20261101T020000Z")
    assert len(kept) == 31 + 13 - 4 + 12 - 3  # the last 4 Sundays are daily too; 3 first Sundays are weekly too


def test_the_next_good_night_stands_in_for_a_sunday_that_failed():
    sunday = datetime.date(2026, 9, 13)
    sets = [one for one in nights(200) if one.stamp[:8] != f"{sunday:%Y%m%d}"] + [night(sunday, good=frozenset())]
    assert "09-14" in days_kept(sets)
    assert "09-13" not in days_kept(sets)
    assert "09-15" not in days_kept(sets)


def test_it_stands_in_for_one_database_only():
    sunday = datetime.date(2026, 9, 13)
    monday = sunday + datetime.timedelta(days=1)
    sets = [night(sunday, good=frozenset({"shop"})), night(monday, good=frozenset({"shop", "users"})), night(TODAY)]
    assert days_kept(sets) == ["09-13", "09-14", "11-21"]


def test_it_stands_in_for_a_month_whose_first_week_failed():
    august = [datetime.date(2026, 8, 2) + datetime.timedelta(days=n) for n in range(7)]
    assert "08-09" in days_kept(nights(300, skip=august))


def test_the_last_good_one_of_a_database_that_is_gone():
    old = night(datetime.date(2020, 1, 1), good=frozenset({"old"}))
    assert reasons([old, *nights(3)], Policy(), TODAY)[old.stamp] == ["last good of old"]


def test_a_set_of_tomorrow_is_kept_and_counts_for_nothing():
    tomorrow = night(datetime.date(2031, 5, 5))
    last = night(datetime.date(2024, 5, 5))
    assert reasons([last, tomorrow], Policy(), TODAY) == {last.stamp: ["last good of shop"], tomorrow.stamp: ["future"]}


def test_nothing_there_nothing_to_delete():
    assert superfluous([], Policy(), TODAY) == []


@pytest.mark.parametrize(
    "name", ["", "20261121", "20261121T020000Z.partial", "20261399T000000Z", "20261121T250000Z", "x"]
)
def test_what_is_no_name_of_a_set(name):
    assert not is_stamp(name)
