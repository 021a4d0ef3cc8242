"""The steps of the drill `backup-freshness` that judge what was seen: ages, sizes, days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from chaoslab.backup.freshness.judge_age import (
    Newest,
    accepted_as_old,
    judge_ages,
    judge_coverage,
    matches,
    newest_by_place,
)
from chaoslab.backup.freshness.judge_retention import BadPolicy, Calendar, judge_retention, parse_policy
from chaoslab.backup.freshness.judge_size import Sizes, judge_sizes
from chaoslab.backup.freshness.looking import server_of
from chaoslab.backup.freshness.survey import all_copies
from chaoslab.backup.freshness.telling import Told, places_of, told
from chaoslab.backup.freshness.wishes import Words, listed, zone_of
from chaoslab.backup.retention import Policy
from chaoslab.core.errors import BadUsage
from chaoslab.postgres.difference import Difference
from chaoslab.runtime.arguments import seconds, share
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step


@step("verify")
def check_age(
    stock: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    max_age: str = "26h",
    databases: Words = (),
    exclude: Words = ("postgres",),
) -> Told:
    """Judge the newest backup of each database in each place, and whether there is one of each.

    Args:
        stock: the output of `take_stock`
        asked: the output of `ask_source`
        max_age: how old the newest backup may be
        databases: names and patterns of databases that must have a backup, besides those of the source
        exclude: names and patterns of databases that need none

    Raises:
        BadUsage: a setting makes no sense.
    """
    session = current()
    places, server, excluded = places_of(stock), server_of(asked), listed(exclude)
    copies = [copy for copy in all_copies(places) if not matches(copy.database, excluded)]
    newest = newest_by_place(copies, float(stock["at_s"]))
    found = judge_ages(newest, max_age_s=seconds("max_age", max_age))
    wanted = {*listed(databases), *(server.databases if server else ())}
    gone: set[str] = set()
    if places:
        coverage = judge_coverage({one.database for one in copies}, wanted or None, exclude=excluded)
        readable = all(seen.readable for seen in places)
        coverage = coverage if readable else [_perhaps(one) for one in coverage]
        gone = {one.where for one in coverage if one.code == "backup-of-unknown-database"} if server else set()
        found = accepted_as_old(found, gone) + coverage
    if not wanted and not asked.get("asked"):
        message = (
            "neither source nor databases says what there is to back up: a database without any backup goes unseen"
        )
        found.append(Difference("databases-not-named", "backups", message, severity="note"))
    lacking = sorted(one.where for one in found if one.code == "database-without-backup")
    ages = {name: age for name, age in _youngest(newest).items() if name not in gone}
    return {**told(session, found), "ages_s": ages, "without": lacking, "gone": sorted(gone)}


def _perhaps(one: Difference) -> Difference:
    """Return a finding that something is absent, where part of a place could not be read."""
    if one.code != "database-without-backup":
        return one
    message = f"{one.message}, as far as the places can be read"
    return Difference(one.code, one.where, message, one.expected, one.actual, "unknown")


def _youngest(newest: Mapping[str, Mapping[str, Newest]]) -> dict[str, list[float]]:
    """Return the bounds of the age of each database's best backup: that of whichever place has the newer one."""
    ages: dict[str, list[float]] = {}
    for of_place in newest.values():
        for database, one in of_place.items():
            low_s, high_s = ages.get(database, [one.low_s, one.high_s])
            ages[database] = [min(low_s, one.low_s), min(high_s, one.high_s)]
    return ages


@step("verify")
def check_sizes(
    stock: Mapping[str, Any],
    *,
    shrunk: str = "50%",
    history: int = 14,
) -> Told:
    """Compare the size of each newest backup with the median of those before it.

    Args:
        stock: the output of `take_stock`
        shrunk: a backup of at most this share of the usual size is a finding
        history: how many backups before it count; at least three are needed

    Raises:
        BadUsage: a setting makes no sense.
    """
    if history < 1:
        raise BadUsage("history: must be at least 1; write 14")
    sizes = Sizes(shrunk=share("shrunk", shrunk), history=history)
    return told(current(), judge_sizes(all_copies(places_of(stock)), sizes))


@step("verify")
def check_retention(
    stock: Mapping[str, Any],
    ages: Mapping[str, Any],
    *,
    keep_local: str = "daily=7d",
    keep_remote: str = "daily=30d weekly=90d monthly=365d",
    since: str = "",
    timezone: str = "UTC",
) -> Told:
    """Say of which days the policy wants a backup that is not there.

    Args:
        stock: the output of `take_stock`
        ages: the output of `check_age`
        keep_local: the policy for folders; '' for none
        keep_remote: the policy for object stores
        since: the day of the first backup ever made, `2026-01-31`; '' begins with the oldest that is there
        timezone: whose days count

    Raises:
        BadUsage: a setting makes no sense.
    """
    session = current()
    zone = zone_of(timezone)
    calendar = Calendar(session.clock.wall().astimezone(zone).date(), zone, _day("since", since))
    policies = {False: _policy("keep_local", keep_local), True: _policy("keep_remote", keep_remote)}
    gone, found = set(ages["gone"]), []
    for seen in places_of(stock):
        session.check_abort()
        if seen.readable:  # what cannot be seen is no hole
            copies = [copy for copy in seen.copies if copy.database not in gone]
            found += judge_retention(seen.label, copies, policies[seen.remote], calendar)
    return told(session, found)


def _policy(name: str, text: str) -> Policy:
    try:
        return parse_policy(text)
    except BadPolicy as bad:
        raise BadUsage(f"{name}: {bad}") from None


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadUsage(f"{name}: {text!r} is no day; write 2026-01-31") from None
