"""Back to when could recovery go, by base backups and archived WAL, and where is the WAL broken? Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chaoslab.core.units import format_duration, format_size
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.repository import BaseBackup, WalFile
from chaoslab.postgres.physical.wal import (
    DEFAULT_SEGMENT_BYTES,
    Gap,
    Switch,
    is_segment_size,
    parse_segment,
    reach,
    route_from,
)

BASE, WAL = "base backups", "WAL archive"


@dataclass(frozen=True, slots=True)
class Archive:
    """Archived WAL, and what is known about it."""

    files: tuple[WalFile, ...]
    segment_bytes: int = DEFAULT_SEGMENT_BYTES
    histories: Mapping[int, tuple[Switch, ...]] | None = None
    """Of each timeline with a history file, its ancestors; None where the files cannot be read."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when to when one base backup and the WAL behind it lead."""

    base: BaseBackup
    from_s: float
    until_s: float
    """When the last segment without a gap before it was archived; seconds since 1970."""
    gaps: tuple[Gap, ...]
    last: str
    reaches_end: bool
    """Whether nothing is missing up to the newest segment."""


def segment_size(files: Iterable[WalFile], told: int = 0) -> int:
    """Return the size of a segment: as somebody says, or that which most archived segments have."""
    sizes = Counter(file.bytes for file in files if parse_segment(file.name, 2**20) and is_segment_size(file.bytes))
    return told or (sizes.most_common(1)[0][0] if sizes else DEFAULT_SEGMENT_BYTES)


def newest_segment(archive: Archive) -> WalFile | None:
    """Return the segment that reaches furthest."""
    named = [(parse_segment(file.name, archive.segment_bytes), file) for file in archive.files]
    return max(((one, file) for one, file in named if one is not None), default=(None, None), key=_furthest)[1]


def _furthest(pair: tuple[object, object]) -> tuple[int, int]:
    segment = pair[0]
    return (segment.timeline, segment.number) if segment is not None else (-1, -1)  # type: ignore[attr-defined]


def stretches(bases: Sequence[BaseBackup], archive: Archive) -> list[Stretch]:
    """Return how far each usable base backup leads, the oldest first."""
    names = [file.name for file in archive.files]
    archived_s = {file.name: file.archived_at for file in archive.files}
    known = {base.label for base in bases}
    newest, found = newest_segment(archive), []
    for base in bases:
        if not base.start_lsn or any(label not in known for label in base.needs):
            continue
        route = route_from(base.timeline, base.start_lsn, archive.histories or {})
        to = reach(base.start_lsn, route, names, archive.segment_bytes)
        if to.end_lsn < base.stop_lsn:
            found.append(Stretch(base, base.ended_at, 0.0, to.gaps, "", reaches_end=False))
            continue
        until_s = archived_s.get(to.last, base.ended_at)
        ends = newest is not None and to.last == newest.name
        found.append(Stretch(base, base.ended_at or base.started_at, until_s, to.gaps, to.last, reaches_end=ends))
    return found


def judge_window(found: Sequence[Stretch], bases: Sequence[BaseBackup], archive: Archive) -> list[Difference]:
    """Say back to when recovery can go, and name what is missing on the way."""
    usable = [one for one in found if one.until_s]
    differences = _unusable(found, bases)
    if not usable:
        if bases and archive.files:
            message = "no base backup can be recovered: the WAL that makes it consistent is not in the archive"
            differences.append(Difference("recovery-window-empty", WAL, message, "WAL of a base backup", None))
        return differences
    newest = usable[-1]
    seen: set[str] = set()
    for one in reversed(usable):  # a gap behind the newest base backup ends every recovery, one before it only some
        for gap in one.gaps:
            if str(gap) in seen:
                continue
            seen.add(str(gap))
            message = f"WAL is missing from the archive: {gap}; recovery from {one.base.label} ends before it"
            severity = "failure" if one is newest else "warning"
            differences.append(Difference("wal-gap", str(gap), message, "every segment", gap.segments, severity))  # type: ignore[arg-type]
    begin, end = _at(min(one.from_s for one in usable)), _at(newest.until_s)
    message = f"recovery can go to any moment from {begin} to {end}, by {len(usable)} base backups"
    message += "" if not seen else f", with {len(seen)} gaps in between"
    return [*differences, Difference("recovery-window", BASE, message, severity="note")]


def _unusable(found: Sequence[Stretch], bases: Sequence[BaseBackup]) -> list[Difference]:
    known = {base.label for base in bases}
    differences = []
    for base in bases:
        lacking = [label for label in base.needs if label not in known]
        if lacking:
            message = f"{base.label} builds on {', '.join(lacking)}, which is not there"
            differences.append(Difference("base-backup-unusable", base.label, message, list(base.needs), lacking))
        elif not base.start_lsn:
            message = f"{base.label} does not say where its WAL begins: its backup_label is missing"
            differences.append(Difference("base-backup-unusable", base.label, message))
    for one in found:
        if not one.until_s:
            gap = f"; missing: {one.gaps[0]}" if one.gaps else ""
            message = f"{one.base.label} cannot be recovered: the WAL written while it was made is not archived{gap}"
            differences.append(Difference("base-backup-unusable", one.base.label, message))
    return differences


def judge_bases(bases: Sequence[BaseBackup], *, now_s: float, max_age_s: float) -> list[Difference]:
    """Say whether the newest base backup is too old: replaying much WAL takes long."""
    if not bases:
        return [Difference("backup-absent", BASE, "there is no base backup", "a base backup", None)]
    newest = max(bases, key=lambda one: one.ended_at or one.started_at)
    age_s = now_s - (newest.ended_at or newest.started_at)
    if not (newest.ended_at or newest.started_at) or age_s <= max_age_s:
        return []
    message = f"the newest base backup, {newest.label}, is {format_duration(age_s)} old"
    allowed = f"at most {format_duration(max_age_s)}"
    return [Difference("backup-too-old", newest.label, message, allowed, format_duration(age_s))]


def judge_archive(archive: Archive, *, now_s: float, max_age_s: float, idle: bool) -> list[Difference]:
    """Say whether the newest segment is too old, and which segments are shorter than a segment is.

    Args:
        archive: the archived WAL
        now_s: seconds since 1970
        max_age_s: how old the newest segment may be
        idle: whether the server has nothing to archive
    """
    newest = newest_segment(archive)
    if newest is None:
        return [Difference("archive-stopped", WAL, "the archive holds no WAL segment", "a segment", None)]
    found, age_s = _short(archive), now_s - newest.archived_at
    if age_s > max_age_s:
        message = f"the newest WAL segment, {newest.name}, was archived {format_duration(age_s)} ago"
        message += ": the server has had nothing to archive since" if idle else ""
        allowed, actual = f"at most {format_duration(max_age_s)}", format_duration(age_s)
        severity = "note" if idle else "failure"
        found.append(Difference("archive-stopped", newest.name, message, allowed, actual, severity))  # type: ignore[arg-type]
    return found


def _short(archive: Archive) -> list[Difference]:
    """Find cut segments; in an archive that packs them, sizes say nothing."""
    segments = [file for file in archive.files if parse_segment(file.name, archive.segment_bytes)]
    whole = sum(file.bytes == archive.segment_bytes for file in segments)
    if whole * 2 <= len(segments):
        return []
    return [
        Difference(
            "wal-segment-truncated",
            file.name,
            f"the archived segment {file.name} is shorter than a segment",
            format_size(archive.segment_bytes),
            format_size(file.bytes),
        )
        for file in segments
        if file.bytes < archive.segment_bytes
    ]


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
