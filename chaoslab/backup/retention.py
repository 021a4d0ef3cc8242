"""Which sets of backups are kept, by their dates alone: whenever and however often it is asked, the answer is the same.

    daily     every set of the last days
    weekly    the first good one since Sunday, for weeks whose Sunday is not older than that
    monthly   the first good one since the month's first Sunday, for months whose first Sunday is not older than that

All days are days of UTC. When Sunday's run failed, the next good one of the week stands in for it. It is decided for
each database by itself, and a set is kept when any of its databases needs it; so a database that failed on Sunday
keeps Monday's set. The newest good one of a database is always kept, also when the database has been gone for years.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaoslab.backup.stamp import instant_of


@dataclass(frozen=True, slots=True)
class Policy:
    """How long sets are kept, in days; 0 weekly or monthly days mean that there is no such rule."""

    daily_days: int = 30
    weekly_days: int = 90
    monthly_days: int = 365


LOCAL = Policy(daily_days=7, weekly_days=0, monthly_days=0)


@dataclass(frozen=True, slots=True)
class Kept:
    """A set, as retention sees it."""

    stamp: str
    good: frozenset[str]
    """The databases, each with its server, whose dump is good; the others count as not there."""


def reasons(sets: Iterable[Kept], policy: Policy, today: datetime.date) -> dict[str, list[str]]:
    """Return for each set why it is kept: `daily`, `weekly`, `monthly`, `last good of NAME`, `future`; nothing if not.

    Args:
        sets: all that are there
        policy: how long they are kept
        today: the day, in UTC, from which ages are counted
    """
    ordered = sorted(sets, key=lambda one: one.stamp)
    # A set of tomorrow is the mark of a wrong clock: nothing is known of its age, so nothing speaks for its deletion.
    known = [one for one in ordered if _day(one) <= today]
    found = {one.stamp: [] if one in known else ["future"] for one in ordered}
    for one in known:
        if (today - _day(one)).days <= policy.daily_days:
            found[one.stamp].append("daily")
    for stamp in _firsts(known, sunday_of, policy.weekly_days, today):
        found[stamp].append("weekly")
    for stamp in _firsts(known, first_sunday_of, policy.monthly_days, today):
        found[stamp].append("monthly")
    newest = {name: one.stamp for one in known for name in one.good}
    for name, stamp in sorted(newest.items()):
        if not found[stamp] or found[stamp][0].startswith("last good"):
            found[stamp].append(f"last good of {name}")
    return found


def superfluous(sets: Iterable[Kept], policy: Policy, today: datetime.date) -> list[str]:
    """Return the names of the sets that nothing keeps, the oldest first."""
    return [stamp for stamp, why in reasons(sets, policy, today).items() if not why]


def sunday_of(day: datetime.date) -> datetime.date:
    """Return the Sunday that a day's week begins with."""
    return day - datetime.timedelta(days=(day.weekday() + 1) % 7)


def first_sunday_of(day: datetime.date) -> datetime.date:
    """Return the last first Sunday of a month up to a day."""
    first = day.replace(day=1)
    sunday = first + datetime.timedelta(days=(6 - first.weekday()) % 7)
    return sunday if sunday <= day else first_sunday_of(first - datetime.timedelta(days=1))


def _day(one: Kept) -> datetime.date:
    return instant_of(one.stamp).date()


def _firsts(
    ordered: list[Kept], period: Callable[[datetime.date], datetime.date], days: int, today: datetime.date
) -> list[str]:
    """Return the first good set of each database in each period that is young enough."""
    first: dict[tuple[datetime.date, str], str] = {}
    for one in ordered:
        begin = period(_day(one))
        if 0 <= (today - begin).days <= days:
            for name in one.good:
                first.setdefault((begin, name), one.stamp)
    return sorted(set(first.values())) if days else []
