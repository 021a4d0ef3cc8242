"""Are the backups that the policy wants really there? Holes by date. Pure.

The policy is that by which `chaoslab backup` deletes: every day's for some days, one of each week (of its Sunday, or
the next good one) for longer, one of each month for longest. A backup that was never made cannot be missing, so the
judgement begins with the oldest that is there, or with the day since when backups are said to be made.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from chaoslab.backup.freshness.evidence import Copy
from chaoslab.backup.retention import Policy, first_sunday_of, sunday_of
from chaoslab.postgres.difference import Difference

_RULE = re.compile(r"(?P<rule>daily|weekly|monthly)\s*[=:]\s*(?P<days>\d{1,4})\s*d(?:ays?)?", re.IGNORECASE)
_SHOWN = 10
_WEEK = timedelta(days=7)


class BadPolicy(ValueError):
    """A text that is no policy."""


def parse_policy(text: str) -> Policy:
    """Read `daily=30d weekly=90d monthly=365d`; what is not named is not kept.

    Raises:
        BadPolicy: it says something else.
    """
    rest = _RULE.sub("", text).strip(" ,;")
    found = {match["rule"].lower(): int(match["days"]) for match in _RULE.finditer(text)}
    if rest or (text.strip() and not found):
        raise BadPolicy(f"{text!r} is no policy; write daily=30d weekly=90d monthly=365d")
    return Policy(found.get("daily", 0), found.get("weekly", 0), found.get("monthly", 0))


def longest(policy: Policy) -> int:
    """Return how many days back anything is kept."""
    return max(policy.daily_days, policy.weekly_days, policy.monthly_days)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which day it is, and since when backups are made."""

    today: date
    zone: tzinfo
    since: date | None = None

    def day_of(self, seconds: float) -> date:
        """Return the day of an instant."""
        return datetime.fromtimestamp(seconds, self.zone).date()


def judge_retention(place: str, copies: Iterable[Copy], policy: Policy, calendar: Calendar) -> list[Difference]:
    """Say of which days a backup is missing in a place.

    Args:
        place: its label
        copies: the backups in it
        policy: what is kept there
        calendar: today, and since when
    """
    days: defaultdict[str, set[date]] = defaultdict(set)
    for copy in copies:
        days[copy.database] |= _days(copy, calendar)
    if not days or not longest(policy):
        return []
    begin = min(min(of_database) for of_database in days.values())
    found = _beginning(place, begin, policy, calendar)
    if calendar.since is not None and calendar.since < begin:
        every = set().union(*days.values())
        found += _holes(place, {"": missing_days(every, policy, calendar.today, begin=calendar.since)})
    return found + _holes(
        place,
        {
            name: missing_days(of_database, policy, calendar.today, begin=min(of_database))
            for name, of_database in days.items()
        },
    )


def missing_days(present: Collection[date], policy: Policy, today: date, *, begin: date) -> dict[date, str]:
    """Return the days of which a backup ought to be there and is not, each with the rule that wants it.

    A week or a month is named by the day it begins with; any backup of it will do. What follows the newest backup is
    no hole: how old that may be is another question.

    Args:
        present: the days of which there is a backup
        policy: what is kept
        today: the day on which it is asked
        begin: the first day of which there can be one
    """
    missing: dict[date, str] = {}
    newest = max(present, default=today)
    days = [today - timedelta(days=age) for age in range(longest(policy) - 1, 0, -1)]
    for day in (day for day in days if begin <= day < newest):
        age = (today - day).days
        if age < policy.daily_days:
            if day not in present:
                missing[day] = "daily"
        elif age < policy.weekly_days:
            if day == sunday_of(day) and not _any(present, day, day + _WEEK, today):
                missing[day] = "weekly"
        elif age < policy.monthly_days and day == first_sunday_of(day):
            following = first_sunday_of(day + 5 * _WEEK)
            if not _any(present, day, following, today):
                missing[day] = "monthly"
    return missing


def _any(present: Collection[date], begin: date, end: date, today: date) -> bool:
    """Say whether there is a backup of a day of a period, or its time is not over yet."""
    if end > today:
        return True
    return any(begin + timedelta(days=count) in present for count in range((end - begin).days))


def _days(copy: Copy, calendar: Calendar) -> set[date]:
    """Return the days that a backup can be of: an instant that is not exact may lie on two."""
    low, high = calendar.day_of(copy.taken.low_s), calendar.day_of(max(copy.taken.low_s, copy.taken.high_s - 1))
    return {low + timedelta(days=count) for count in range(min((high - low).days, 2) + 1)}


def _beginning(place: str, begin: date, policy: Policy, calendar: Calendar) -> list[Difference]:
    """Say how far back the judgement reaches, where nobody says since when backups are made."""
    reach = calendar.today - timedelta(days=longest(policy) - 1)
    if calendar.since is not None or begin <= reach:
        return []
    message = (
        f"the oldest backup in {place} is of {begin}, and the policy reaches back to {reach}:"
        " nothing tells whether older ones were ever made; set `since` to the day of the first"
    )
    return [Difference("retention-not-provable", place, message, severity="warning")]


def _holes(place: str, missing: Mapping[str, Mapping[date, str]]) -> list[Difference]:
    """Make findings of holes: one for all databases that lack the same days."""
    alike: defaultdict[tuple[tuple[date, str], ...], list[str]] = defaultdict(list)
    for name, days in missing.items():
        if days:
            alike[tuple(sorted(days.items()))].append(name)
    found = []
    for holes, names in alike.items():
        whose = f" of {', '.join(names[:5])}{' and others' if len(names) > 5 else ''}" if names != [""] else ""
        message = f"{place} lacks the backups{whose} of {_listed(holes)}"
        dates = [str(day) for day, _ in holes]
        for name in names:
            where = f"{name}/{place}" if name else place
            found.append(Difference("retention-hole", where, message, f"{len(dates)} more backups", dates[:50]))
    return found


def _listed(days: Sequence[tuple[date, str]]) -> str:
    shown = ", ".join(f"{day} ({rule})" for day, rule in days[:_SHOWN])
    return shown + (f" and {len(days) - _SHOWN} more days" if len(days) > _SHOWN else "")
