"""Look into every place once, and keep what was seen as plain data that later steps judge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chaoslab.backup.freshness.contents import SIDECARS
from chaoslab.backup.freshness.dumps import Reading, copies_in, newest_of, with_header
from chaoslab.backup.freshness.evidence import Copy, by_database, copy_from_json, copy_to_json
from chaoslab.backup.freshness.headers import HEADER_BYTES, read_header
from chaoslab.backup.freshness.places import Listing, Place, PlaceAbsent, PlaceUnreadable
from chaoslab.postgres.difference import Difference

FILE = "backups.json"
"""What a run saw, in its folder: evidence, and what its later steps read."""
READERS = 8
"""Small files that are read at the same time; a share or an object store takes its time for each."""
_UNREADABLE_SHOWN = 20

Layout = Literal["store", "dumps"]

_known: dict[Path, list[Seen]] = {}
"""What this process wrote last: a file of thousands of backups need not be read again by each step."""


@dataclass(slots=True)
class Seen:
    """What was found in one place."""

    label: str
    layout: Layout
    remote: bool
    files: int = 0
    bytes: int = 0
    readable: bool = True
    copies: list[Copy] = field(default_factory=list)
    expected: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of the newest copies, by name: their files with `path`, `bytes`, `sha256`, as their run wrote them down."""
    sidecars: list[str] = field(default_factory=list)
    """Files beside dumps that may hold their checksums."""


def list_place(place: Place, layout: Layout) -> tuple[Seen, Listing, list[Difference]]:
    """Return what is in a place; one that cannot be read is a finding, not an error."""
    seen = Seen(place.label, layout, place.remote)
    try:
        listing = place.listing()
    except PlaceAbsent as absent:
        return (
            seen,
            Listing(),
            [Difference("backup-place-absent", place.label, str(absent), "a place with backups", None)],
        )
    except PlaceUnreadable as broken:
        seen.readable = False
        return seen, Listing(), [Difference("backup-place-unreadable", place.label, str(broken), severity="unknown")]
    seen.files, seen.bytes = len(listing.entries), sum(entry.bytes for entry in listing.entries)
    found = []
    for reason in listing.unreadable[:_UNREADABLE_SHOWN]:
        message = f"part of {place.label} cannot be read: {reason}"
        where = f"{place.label}/{reason.rpartition(':')[0]}"
        found.append(Difference("backup-place-unreadable", where, message, severity="unknown"))
    seen.readable = not listing.unreadable
    return seen, listing, found


def survey_dumps(place: Place, reading: Reading) -> tuple[Seen, list[Difference]]:
    """Look at a place where somebody else's script puts dumps."""
    seen, listing, found = list_place(place, "dumps")
    seen.sidecars = [entry.name for entry in listing.entries if entry.name.endswith(SIDECARS)]
    seen.copies = copies_in(place.label, listing.entries, reading)
    newest = newest_of(by_database(seen.copies))
    with ThreadPoolExecutor(READERS, thread_name_prefix="headers") as pool:
        looked = pool.map(lambda copy: _look_inside(place, copy, reading), newest)
    changed = {}
    for copy, (now, differences) in zip(newest, looked, strict=True):
        found += differences
        changed[copy.name] = now
    seen.copies = [changed.get(copy.name, copy) for copy in seen.copies]
    return seen, found


def _look_inside(place: Place, copy: Copy, reading: Reading) -> tuple[Copy, list[Difference]]:
    try:
        header = read_header(place.read(copy.first_file, first=HEADER_BYTES))
    except PlaceUnreadable as broken:
        where = f"{copy.database}/{copy.place}/{copy.name}"
        return copy, [Difference("backup-place-unreadable", where, str(broken), severity="unknown")]
    return with_header(copy, header, reading.zone)


def keep(places: Sequence[Seen], folder: Path) -> Path:
    """Write what was seen into the run's folder."""
    path = folder / FILE
    data = [
        {**{name: getattr(seen, name) for name in seen.__slots__}, "copies": [copy_to_json(one) for one in seen.copies]}
        for seen in places
    ]
    path.write_text(json.dumps({"places": data}))
    _known.clear()
    _known[path] = list(places)
    return path


def kept(path: Path) -> list[Seen]:
    """Return what was seen: as this process remembers it, or else as the file has it."""
    if path in _known:
        return _known[path]
    return [
        Seen(**{**data, "copies": [copy_from_json(one) for one in data["copies"]]})
        for data in json.loads(path.read_text())["places"]
    ]


def all_copies(places: Iterable[Seen]) -> list[Copy]:
    """Return the copies of all places."""
    return [copy for seen in places for copy in seen.copies]
