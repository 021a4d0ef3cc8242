"""The steps of the drill `backup-freshness` that read on: the newest backups themselves, and how they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chaoslab.backup.freshness.contents import Budget, Looked, look_at
from chaoslab.backup.freshness.dumps import newest_of
from chaoslab.backup.freshness.evidence import Copy, by_database
from chaoslab.backup.freshness.keeping import (
    Rules,
    judge_classes,
    judge_protection,
    look_at_encryption,
    protection_of,
)
from chaoslab.backup.freshness.survey import Seen
from chaoslab.backup.freshness.telling import Told, places_of, told
from chaoslab.backup.freshness.wishes import Words, listed, place_of
from chaoslab.core.units import format_size
from chaoslab.postgres.difference import Difference
from chaoslab.runtime.arguments import seconds, yes
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step

READ_AT_ONCE = 2
"""Backups that are read at the same time."""


@step("verify")
def check_contents(
    stock: Mapping[str, Any],
    ages: Mapping[str, Any],
    *,
    read_for: str = "20s",
    endpoint: str = "",
) -> Told:
    """Read the newest backup of each database, the smallest first, until the time for that is over.

    Args:
        stock: the output of `take_stock`
        ages: the output of `check_age`
        read_for: how long to read at most; 0s reads nothing
        endpoint: of an object store that is not Amazon's

    Raises:
        BadUsage: a setting makes no sense.
    """
    session = current()
    until_s = session.clock.mono() + seconds("read_for", read_for)
    budget = Budget(session.clock.mono, until_s, session.check_abort)
    newest = [(seen, copy) for seen in places_of(stock) for copy in newest_of(by_database(seen.copies))]
    newest = sorted((one for one in newest if one[1].database not in ages["gone"]), key=lambda one: one[1].bytes)
    opened = {seen.label: place_of(seen.label, endpoint) for seen, _ in newest}
    sidecars = {seen.label: set(seen.sidecars) for seen, _ in newest}

    def look(one: tuple[Seen, Copy]) -> Looked:
        seen, copy = one
        expected = seen.expected.get(copy.name, ())
        return look_at(opened[seen.label], copy, expected=expected, beside=sidecars[seen.label], budget=budget)

    with ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="contents") as pool:
        looked = list(pool.map(look, newest))
    found = [difference for one in looked for difference in one.differences]
    read = sum(copy.bytes for (_, copy), one in zip(newest, looked, strict=True) if one.how)
    found += _unread(newest, looked, read)
    session.figure("read_bytes", read, "bytes")
    return {**told(session, found), "read": sum(bool(one.how) for one in looked), "of": len(looked)}


def _unread(newest: list[tuple[Seen, Copy]], looked: list[Looked], read: int) -> list[Difference]:
    """Say which of the newest backups were not read, and why: one line for each reason."""
    reasons: dict[str, list[Copy]] = {}
    for (_, copy), one in zip(newest, looked, strict=True):
        if one.why_not:
            reasons.setdefault(one.why_not, []).append(copy)
    found = []
    for reason, copies in reasons.items():
        names = ", ".join(copy.name for copy in copies[:3]) + (" ..." if len(copies) > 3 else "")
        size = format_size(sum(copy.bytes for copy in copies))
        message = (
            f"{len(copies)} of the {len(looked)} newest backups ({size}) were not read ({reason}): {names};"
            f" {format_size(read)} were"
        )
        found.append(Difference("backup-not-read", copies[0].place, message, severity="note"))
    return found


@step("verify")
def check_keeping(
    stock: Mapping[str, Any],
    ages: Mapping[str, Any],
    *,
    storage_class: Words = (),
    encrypted: str | bool = "no",
    versioned: str | bool = "no",
    locked: str | bool = "no",
    endpoint: str = "",
) -> Told:
    """Judge how backups are kept: storage class, encryption, and what a bucket does against deletion.

    Args:
        stock: the output of `take_stock`
        ages: the output of `check_age`
        storage_class: the classes that objects may have; '' for any
        encrypted: whether each backup must be encrypted, by the store or by itself
        versioned: whether buckets must keep old versions
        locked: whether buckets must have an object lock
        endpoint: of an object store that is not Amazon's

    Raises:
        BadUsage: a setting makes no sense.
    """
    session = current()
    rules = Rules(
        listed(storage_class), yes("encrypted", encrypted), yes("versioned", versioned), yes("locked", locked)
    )
    found = []
    for seen in places_of(stock):
        session.check_abort()
        place = place_of(seen.label, endpoint)
        found += judge_classes(seen.copies, rules)
        if rules.encrypted:
            newest = [copy for copy in newest_of(by_database(seen.copies)) if copy.database not in ages["gone"]]
            found += look_at_encryption(place, newest)
        if seen.remote and seen.readable and seen.files:
            found += judge_protection(seen.label, protection_of(place), rules)  # type: ignore[arg-type]
    return told(session, found)
