"""What PostgreSQL writes down about a base backup: `backup_label`, and the `.backup` file in the archive. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from chaoslab.postgres.physical.wal import parse_lsn

_LSN = r"(?P<lsn>[0-9A-Fa-f]+/[0-9A-Fa-f]+)"
_START = re.compile(rf"^START WAL LOCATION: {_LSN}", re.M)
_STOP = re.compile(rf"^STOP WAL LOCATION: {_LSN}", re.M)
_TIMELINE = re.compile(r"^START TIMELINE: (?P<timeline>\d+)", re.M)
_INCREMENTAL = re.compile(rf"^INCREMENTAL FROM LSN: {_LSN}", re.M)
_LABEL = re.compile(r"^LABEL: (?P<label>.*)$", re.M)
_TIME = r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?P<zone>\S+)"
_STARTED = re.compile(rf"^START TIME: {_TIME}", re.M)
_STOPPED = re.compile(rf"^STOP TIME: {_TIME}", re.M)


@dataclass(frozen=True, slots=True)
class Label:
    """When and where a base backup began, and, from the archive's copy, ended."""

    start_lsn: int
    timeline: int
    label: str
    started_at: float
    """Seconds since 1970; 0.0 where the zone is not known to us."""
    from_lsn: int | None = None
    """Where the backup began that an incremental one builds on."""
    stop_lsn: int | None = None
    ended_at: float = 0.0


def parse_label(text: str) -> Label | None:
    """Return what a `backup_label` or a `.backup` file says; None when it is torn."""
    start, timeline = _START.search(text), _TIMELINE.search(text)
    if start is None or timeline is None:
        return None
    stop, label, base = _STOP.search(text), _LABEL.search(text), _INCREMENTAL.search(text)
    return Label(
        start_lsn=parse_lsn(start["lsn"]),
        timeline=int(timeline["timeline"]),
        label=label["label"] if label else "",
        started_at=_seconds(_STARTED.search(text)),
        from_lsn=parse_lsn(base["lsn"]) if base else None,
        stop_lsn=parse_lsn(stop["lsn"]) if stop else None,
        ended_at=_seconds(_STOPPED.search(text)),
    )


def _seconds(match: re.Match[str] | None) -> float:
    """Return the instant; an abbreviation of a zone other than UTC says nothing for sure."""
    if match is None or match["zone"] not in {"UTC", "GMT"}:
        return 0.0
    return datetime.strptime(match["time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
