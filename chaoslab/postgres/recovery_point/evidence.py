"""Measure the recovery point with whatever evidence there is, the best first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chaoslab.core.units import format_duration
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.logical.archive import Backup
from chaoslab.postgres.recovery_point.heartbeat import (
    TABLE,
    RecoveryPoint,
    from_snapshot,
    read_acknowledgements,
    read_beats,
    recovery_point,
)
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection


@dataclass(frozen=True, slots=True)
class Disaster:
    """The instant from which on nothing of the source counts any more."""

    mono_s: float
    """On this machine's monotonic clock, which a heartbeat writer on the same machine shares."""
    source_s: tuple[float, float]
    """Bounds of the same instant on the source's own clock, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the beats and the snapshot are to be found."""

    source_dsn: str
    restored_dsn: str
    backup: Backup
    acknowledgements: Path | None = None
    """The heartbeat writer's log, if it is on this machine."""
    table: str = TABLE
    made_by_drill: bool = False


def source_clock(dsn: str, mono: Callable[[], float]) -> Disaster:
    """Tell the instant *now* on this machine's monotonic clock and on the source's clock.

    Clocks of two machines differ, so the source is asked, and the time that the question took is the uncertainty.

    Raises:
        ConnectFailed: the source cannot be reached.
    """
    with connect(dsn, who="the source") as connection:
        connection.execute("SELECT 1")  # the first statement of a session is slower
        asked_s = mono()
        query = "SELECT extract(epoch FROM clock_timestamp())::float8"
        row = ask(lambda: connection.execute(query).fetchone(), "the source's clock")
        answered_s = mono()
    assert row is not None
    now_s = mono()
    return Disaster(now_s, (row[0] + now_s - answered_s, row[0] + now_s - asked_s))


def measure_recovery_point(evidence: Evidence, disaster: Disaster) -> RecoveryPoint:
    """Say what was committed before the disaster and is not in the restored database.

    Raises:
        ConnectFailed: a database cannot be reached.
        CannotRead: a heartbeat is there, but cannot be read.
    """
    with connect(evidence.restored_dsn, who="the restored database") as connection:
        restored = read_beats(connection, evidence.table)
    if restored is not None:
        present = {beat.id for beat in restored}
        log, name = evidence.acknowledgements, evidence.backup.database
        acknowledged = read_acknowledgements(log, name, until_mono_s=disaster.mono_s) if log else []
        if acknowledged:
            instant = (disaster.mono_s, disaster.mono_s)
            return recovery_point(acknowledged, present, disaster_s=instant, method="acknowledgements")
        with connect(evidence.source_dsn, who="the source") as source:
            point = _from_table(source, evidence.table, present, disaster)
        if point is not None:
            return point
    return _from_manifest(evidence.backup, disaster)


def beyond_objective(point: RecoveryPoint, objective_s: float | None) -> Difference | None:
    """Return the finding that more may be lost than is allowed, or None."""
    if objective_s is None or point.lost_s is None:
        return None
    low_s, high_s = point.lost_s
    if high_s is not None and high_s <= objective_s:
        return None
    low = format_duration(low_s)
    lost = f"{low} or more" if high_s is None else f"{low} to {format_duration(high_s)}"
    message = f"the recovery point lies {lost} before the disaster: too far back"
    allowed = f"at most {format_duration(objective_s)}"
    return Difference("recovery-point-beyond-objective", "backup", message, expected=allowed, actual=lost)


def backup_age(evidence: Evidence, disaster: Disaster) -> Difference:
    """Return the note on how old the backup was when the disaster struck, and who says so."""
    backup = evidence.backup
    taken_at = (backup.manifest or {}).get("taken_at", "")
    if taken_at:
        age_s = max(0.0, disaster.source_s[1] - datetime.fromisoformat(taken_at).timestamp())
        message = f"the backup was {format_duration(age_s)} old at the disaster, by its manifest"
    elif backup.created:
        message = f"the backup says of itself that it was begun at {backup.created}; nothing confirms that"
    else:
        message = "nothing tells how old the backup is"
    if evidence.made_by_drill:
        message += "; it was made for this drill: a real disaster finds the newest backup as old as it is by then"
    return Difference("backup-age", backup.path.name, message, actual=taken_at or backup.created, severity="note")


def _from_table(source: Connection, table: str, present: set[int], disaster: Disaster) -> RecoveryPoint | None:
    beats = read_beats(source, table)
    if beats is None:
        return None
    known = [beat for beat in beats if beat.known_s <= disaster.source_s[1]]
    point = recovery_point(known, present, disaster_s=disaster.source_s, method="heartbeat table")
    return point if point.lost_s is not None else None


def _from_manifest(backup: Backup, disaster: Disaster) -> RecoveryPoint:
    taken_at = (backup.manifest or {}).get("taken_at")
    if not taken_at:
        reason = "there is no heartbeat, and no manifest tells when the dump's snapshot was taken"
        return RecoveryPoint("unknown", reason=reason)
    taken_s = datetime.fromisoformat(taken_at).timestamp()
    return from_snapshot((taken_s, taken_s), disaster.source_s)
