"""Is the newest backup of each database new enough, and is there one of each? Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from chaoslab.backup.freshness.evidence import WEAK, Copy, by_database
from chaoslab.core.units import format_duration
from chaoslab.postgres.difference import Difference

SKEW_S = 300.0
"""Two clocks that are kept in step differ by less; a date further in the future is wrong."""


@dataclass(frozen=True, slots=True)
class Newest:
    """How old the newest backup of a database is in one place."""

    copy: Copy
    low_s: float
    """Its age lies between the two."""
    high_s: float


def split_future(copies: Iterable[Copy], now_s: float) -> tuple[list[Copy], list[Difference]]:
    """Return the copies whose date can be true, and a finding for each that claims to be of the future."""
    past, found = [], []
    for copy in copies:
        if copy.taken.low_s > now_s + SKEW_S:
            found.append(
                Difference(
                    "backup-from-the-future",
                    where_of(copy),
                    f"{copy.name} is dated {_at(copy.taken.low_s)} by its {copy.taken.by}, which is still to come:"
                    " a wrong clock, or a wrong `timezone`; its age counts for nothing",
                    expected=f"before {_at(now_s)}",
                    actual=_at(copy.taken.low_s),
                )
            )
        else:
            past.append(copy)
    return past, found


def newest_by_place(copies: Iterable[Copy], now_s: float) -> dict[str, dict[str, Newest]]:
    """Return the newest copy of each database in each place: place -> database -> newest."""
    found: defaultdict[str, dict[str, Newest]] = defaultdict(dict)
    for database, of_database in by_database(copies).items():
        for copy in of_database:  # the oldest first, so the newest stays
            low_s, high_s = max(0.0, now_s - copy.taken.high_s), max(0.0, now_s - copy.taken.low_s)
            found[copy.place][database] = Newest(copy, low_s, high_s)
    return dict(found)


def judge_ages(newest: Mapping[str, Mapping[str, Newest]], *, max_age_s: float) -> list[Difference]:
    """Say which newest backups are too old, or may be, and whose age rests on the date of a file alone."""
    found = []
    for of_place in newest.values():
        for database, one in of_place.items():
            found += _age(database, one, max_age_s)
    return found


def _age(database: str, one: Newest, max_age_s: float) -> list[Difference]:
    where, allowed = where_of(one.copy), format_duration(max_age_s)
    said = f"the newest backup of {database} in {one.copy.place} is {format_duration(one.high_s)} old"
    found = []
    if one.low_s > max_age_s:
        found.append(Difference("backup-too-old", where, said, f"at most {allowed}", format_duration(one.low_s)))
    elif one.high_s > max_age_s:
        message = f"{said} at most and {format_duration(one.low_s)} at least: its {one.copy.taken.by} tells no more"
        found.append(
            Difference(
                "backup-age-unclear", where, message, f"at most {allowed}", format_duration(one.high_s), "unknown"
            )
        )
    if one.copy.taken.by in WEAK:
        message = (
            f"only the date of its file says how old {one.copy.name} is; a copy or a sync changes that:"
            " put the date into the name, or let chaoslab write a manifest"
        )
        found.append(Difference("backup-age-weak", where, message, severity="warning"))
    return found


def judge_coverage(
    present: Collection[str], wanted: Collection[str] | None, *, exclude: Collection[str] = ()
) -> list[Difference]:
    """Say which databases have no backup although they should, and of which nobody knows.

    Args:
        present: the databases that have backups
        wanted: those that must have one; names and patterns. None when nobody says
        exclude: names and patterns that need none
    """
    if wanted is None:
        return []
    found = []
    plain = {name.partition("@")[0] for name in present}  # without its server
    for name in sorted(wanted):
        if matches(name, exclude) or any(fnmatchcase(one, name) for one in plain):
            continue
        message = f"there is no backup of the database {name} anywhere"
        found.append(Difference("database-without-backup", name, message, "a backup", None))
    for name in sorted(present):
        if not matches(name.partition("@")[0], wanted) and not matches(name, exclude):
            message = f"there are backups of {name}, which is not a database of the source: dropped since, or another's"
            found.append(Difference("backup-of-unknown-database", name, message, severity="note"))
    return found


def judge_absence(place: str, listed: int, copies: int, *, partial: Collection[str] = ()) -> list[Difference]:
    """Say that a place holds no backup at all."""
    if copies:
        return []
    if partial:
        message = f"{place} holds unfinished runs only: {', '.join(sorted(partial)[-3:])}"
    elif listed:
        message = f"{place} holds {listed} files, and none of them is the backup of a database"
    else:
        message = f"{place} is empty: there is no backup"
    return [Difference("backup-absent", place, message, "a backup", None)]


def matches(name: str, patterns: Collection[str]) -> bool:
    """Say whether a name is one of the names, or fits one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def accepted_as_old(differences: Iterable[Difference], unknown: Collection[str]) -> list[Difference]:
    """Return findings with those turned to notes that are about databases which the source no longer has."""
    return [
        replace(one, severity="note") if one.where.partition("/")[0] in unknown and one.severity != "note" else one
        for one in differences
    ]


def where_of(copy: Copy) -> str:
    """Return the place of a finding about a copy: it begins with the database."""
    return f"{copy.database}/{copy.place}/{copy.name}"


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
