"""What a look at backups finds: files, and the copies of databases that they make. Plain data, without I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Source = Literal["manifest", "name", "header", "date"]
"""Who says when a backup was taken: its manifest, its name, the header inside it, or the date of its file."""

WEAK: frozenset[Source] = frozenset({"date"})
"""What a copy, a sync or a `touch` changes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in a place."""

    name: str
    """Its path below the place, with `/`."""
    bytes: int
    modified_s: float
    """Seconds since 1970."""
    storage_class: str = ""
    """Of an object; '' for a file."""


@dataclass(frozen=True, slots=True)
class Instant:
    """When a backup shows its database: somewhere between the two, in seconds since 1970."""

    low_s: float
    high_s: float
    by: Source


@dataclass(frozen=True, slots=True)
class Copy:
    """One backup of one database."""

    place: str
    database: str
    name: str
    """The path of its file or folder below the place."""
    taken: Instant
    bytes: int
    head: str = ""
    """The file that begins with its header, where that is not the file itself."""
    run: str = ""
    """The run that made it; '' where backups are single files."""
    storage_class: str = ""
    """Of an object; '' for a file."""

    @property
    def first_file(self) -> str:
        """The file that begins with its header."""
        return self.head or self.name


def by_database(copies: Iterable[Copy]) -> Mapping[str, list[Copy]]:
    """Return the copies of each database, the oldest first."""
    found: defaultdict[str, list[Copy]] = defaultdict(list)
    for copy in sorted(copies, key=lambda one: (one.taken.low_s, one.taken.high_s, one.name)):
        found[copy.database].append(copy)
    return dict(sorted(found.items()))


def copy_to_json(copy: Copy) -> dict[str, Any]:
    """Return a copy as JSON data."""
    return asdict(copy)


def copy_from_json(data: Mapping[str, Any]) -> Copy:
    """Read back what `copy_to_json` wrote."""
    return Copy(**{**data, "taken": Instant(**data["taken"])})
