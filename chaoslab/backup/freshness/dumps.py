"""Tell the backups in a folder of dumps that somebody else's script makes, by their names, headers and dates. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo

from chaoslab.backup.freshness.evidence import Copy, Entry, Instant
from chaoslab.backup.freshness.headers import Header, earliest_and_latest, instant_of
from chaoslab.backup.freshness.names import read_name
from chaoslab.postgres.difference import Difference

_TOC = "/toc.dat"
_TOLERANCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How names and dates of a place are to be read."""

    zone: tzinfo
    pattern: re.Pattern[str] | None = None


def copies_in(place: str, entries: Iterable[Entry], reading: Reading) -> list[Copy]:
    """Return the dumps among the files of a place."""
    copies = []
    for entry, shown in _whole(entries):
        named = read_name(shown, reading.zone, reading.pattern)
        if named is None:
            continue
        instant = _instant(named.low_s, named.high_s, entry.modified_s)
        head = "" if shown == entry.name else entry.name + _TOC
        copies.append(
            Copy(place, named.database, entry.name, instant, entry.bytes, head, storage_class=entry.storage_class)
        )
    return copies


def with_header(copy: Copy, header: Header, zone: tzinfo) -> tuple[Copy, list[Difference]]:
    """Return a copy as its header has it, and what the header contradicts.

    The date of a file says when it was last written, which is no evidence once it was copied. A header is believed
    over that; over a name only where no time zone explains the difference.
    """
    found = []
    where = f"{copy.database}/{copy.place}/{copy.name}"
    if header.database and header.database.lower() != copy.database.lower() and _is_other(header, copy):
        message = f"{copy.name} is named for {copy.database}, and holds a dump of {header.database}"
        expected, actual = copy.database, header.database
        found.append(Difference("backup-of-another-database", where, message, expected, actual))
    begun_s = instant_of(header, zone)
    if begun_s is None or header.begun is None:
        return copy, found
    low_s, high_s = earliest_and_latest(header.begun)
    if high_s + _TOLERANCE_S < copy.taken.low_s:
        taken = Instant(low_s, high_s, "header")
        message = (
            f"{copy.name} looks newer than it is: pg_dump wrote {header.begun:%Y-%m-%d %H:%M} into it,"
            f" its {copy.taken.by} says otherwise"
        )
        found.append(Difference("backup-older-than-it-looks", where, message))
        return replace(copy, taken=taken), found
    if copy.taken.by == "date" and begun_s <= copy.taken.high_s:
        return replace(copy, taken=Instant(begun_s, begun_s, "header")), found
    return copy, found


def _is_other(header: Header, copy: Copy) -> bool:
    """Say whether a name speaks of another database, and not just in more words: `db1-shop` holds shop."""
    return header.database.lower() not in copy.name.lower()


def _whole(entries: Iterable[Entry]) -> list[tuple[Entry, str]]:
    """Return the entries, a dump in directory format as one, each with the name by which it is told.

    A folder may be called anything; with an ending it reads like a dump.
    """
    entries = list(entries)
    tables = {entry.name.removesuffix(_TOC): entry for entry in entries if entry.name.endswith(_TOC)}
    single, sizes = [], dict.fromkeys(tables, 0)
    for entry in entries:
        folder = entry.name.rpartition("/")[0]
        if folder in sizes:
            sizes[folder] += entry.bytes
        else:
            single.append((entry, entry.name))
    # `toc.dat` is written last, so its date is that of the dump's end.
    return single + [(replace(toc, name=name, bytes=sizes[name]), f"{name}.dir") for name, toc in tables.items()]


def _instant(low_s: float | None, high_s: float | None, modified_s: float) -> Instant:
    if low_s is None or high_s is None:
        return Instant(modified_s, modified_s, "date")
    if low_s <= modified_s < high_s:
        high_s = modified_s  # whatever is in it was there when it was last written
    return Instant(low_s, high_s, "name")


def newest_of(copies: Mapping[str, list[Copy]]) -> list[Copy]:
    """Return the newest copy of each database."""
    return [of_database[-1] for of_database in copies.values() if of_database]
