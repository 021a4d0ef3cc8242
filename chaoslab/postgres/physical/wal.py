"""Names of WAL segments, timelines, and how far a set of archived files reaches. Pure.

A segment's name says its timeline and its place in the log, `TTTTTTTTXXXXXXXXYYYYYYYY`: how many of them make one
X depends on the size of a segment. A timeline begins where another was left; its `.history` file says at which LSN.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

DEFAULT_SEGMENT_BYTES = 16 * 2**20
_X_BYTES = 2**32
_SEGMENT = re.compile(r"(?P<timeline>[0-9A-F]{8})(?P<high>[0-9A-F]{8})(?P<low>[0-9A-F]{8})")
_HISTORY = re.compile(r"(?P<timeline>[0-9A-F]{8})\.history")
_HISTORY_LINE = re.compile(r"^\s*(?P<timeline>\d+)\s+(?P<lsn>[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One piece of the log on one timeline."""

    timeline: int
    number: int
    """Counted from the beginning of the log: its LSN divided by the size of a segment."""

    def name(self, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> str:
        """Return the name of its file."""
        per_x = _X_BYTES // segment_bytes
        return f"{self.timeline:08X}{self.number // per_x:08X}{self.number % per_x:08X}"


@dataclass(frozen=True, slots=True)
class Switch:
    """Where a timeline was left for the next one."""

    timeline: int
    lsn: int


@dataclass(frozen=True, slots=True)
class Route:
    """The timelines that lead to one of them, the oldest first, and where each begins."""

    steps: tuple[Switch, ...]
    """Each timeline with the LSN at which it begins; the first begins at 0."""

    @property
    def timeline(self) -> int:
        """The timeline that it leads to."""
        return self.steps[-1].timeline

    def segment_at(self, number: int, segment_bytes: int) -> Segment:
        """Return the segment that recovery reads: a new timeline's first one holds the end of the old one too."""
        passed = [step for step in self.steps if step.lsn // segment_bytes <= number]
        return Segment(passed[-1].timeline, number)

    def holds(self, timeline: int, lsn: int) -> bool:
        """Return whether a place in the log lies on it."""
        for step, following in zip(self.steps, (*self.steps[1:], None), strict=True):
            if step.timeline == timeline:
                return following is None or lsn < following.lsn
        return False


@dataclass(frozen=True, slots=True)
class Gap:
    """Segments that are not there although later ones are."""

    first: str
    last: str
    """The same as `first` when one is missing."""
    segments: int

    def __str__(self) -> str:
        """Return it for people."""
        return self.first if self.segments == 1 else f"{self.first} to {self.last} ({self.segments} segments)"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far archived WAL leads from a place in the log."""

    start_lsn: int
    end_lsn: int
    """The end of the last segment that is there without a gap before it; `start_lsn` when not even the first is."""
    route: Route
    segments: int
    """How many are there without a gap."""
    last: str
    """The name of the last of them; '' without any."""
    gaps: tuple[Gap, ...]


def parse_lsn(text: str) -> int:
    """Return the number behind `16/B374D848`.

    Raises:
        ValueError: it is none.
    """
    high, slash, low = text.strip().partition("/")
    if not slash:
        raise ValueError(f"{text!r} is no LSN")
    return int(high, 16) << 32 | int(low, 16)


def format_lsn(lsn: int) -> str:
    """Return an LSN as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_segment(name: str, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> Segment | None:
    """Return the segment of a file's name, or None for any other file (`.partial`, `.backup`, `.history`)."""
    match = _SEGMENT.fullmatch(name)
    if match is None:
        return None
    per_x, low = _X_BYTES // segment_bytes, int(match["low"], 16)
    if low >= per_x:
        return None  # not a name that a server with segments of this size gives
    return Segment(int(match["timeline"], 16), int(match["high"], 16) * per_x + low)


def is_segment_size(size: int) -> bool:
    """Return whether a server can have segments of that many bytes: a power of two from 1 MiB to 1 GiB."""
    return 2**20 <= size <= 2**30 and size & (size - 1) == 0


def history_of(name: str) -> int | None:
    """Return the timeline that a file of this name describes, or None when it is no history file."""
    match = _HISTORY.fullmatch(name)
    return int(match["timeline"], 16) if match else None


def parse_history(text: str) -> tuple[Switch, ...]:
    """Return the ancestors that a history file lists, the oldest first, each with where it was left."""
    matches = map(_HISTORY_LINE.match, text.splitlines())
    return tuple(Switch(int(one["timeline"]), parse_lsn(one["lsn"])) for one in matches if one)


def route_to(timeline: int, ancestors: Iterable[Switch]) -> Route:
    """Return the route to a timeline, given what its history file says."""
    steps, begin = [], 0
    for one in ancestors:
        steps.append(Switch(one.timeline, begin))
        begin = one.lsn
    return Route((*steps, Switch(timeline, begin)))


def newest_timeline(start: int, known: Collection[int]) -> int:
    """Return the timeline that `recovery_target_timeline = latest` takes: the server asks for one after the other."""
    while start + 1 in known:
        start += 1
    return start


def route_from(timeline: int, lsn: int, histories: Mapping[int, tuple[Switch, ...]]) -> Route:
    """Return the route that recovery takes from a place in the log to the latest timeline that leads on from it.

    Where the newest timeline did not grow out of this place, recovery can only follow the place's own.

    Args:
        timeline: the place's
        lsn: the place in the log
        histories: of each timeline with a history file, its ancestors
    """
    newest = newest_timeline(timeline, histories)
    route = route_to(newest, histories.get(newest, ()))
    return route if route.holds(timeline, lsn) else route_to(timeline, histories.get(timeline, ()))


def reach(start_lsn: int, route: Route, names: Collection[str], segment_bytes: int) -> Reach:
    """Return how far the archived segments lead from a place in the log, and what is missing on the way.

    Args:
        start_lsn: where recovery begins to read
        route: the timelines it follows
        names: of the files in the archive
        segment_bytes: the size of a segment
    """

    def name_at(number: int) -> str:
        return route.segment_at(number, segment_bytes).name(segment_bytes)

    first = start_lsn // segment_bytes
    present = {parse_segment(name, segment_bytes) for name in names}
    usable = sorted(
        one.number
        for one in present
        if one and one.number >= first and one == route.segment_at(one.number, segment_bytes)
    )
    gaps: list[Gap] = []
    expected = end = first
    for number in usable:
        if number > expected:
            gaps.append(Gap(name_at(expected), name_at(number - 1), number - expected))
        expected = number + 1
        end = end if gaps else expected
    last = name_at(end - 1) if end > first else ""
    end_lsn = max(start_lsn, end * segment_bytes) if end > first else start_lsn
    return Reach(start_lsn, end_lsn, route, end - first, last, tuple(gaps))
