"""The recovery point: what was committed before the disaster and is not there after the recovery.

A heartbeat writer commits a row `(id, at)` again and again and notes on its own side which commits were
acknowledged. The newest beat that was restored lies before the recovery point, the first beat that was lost
lies after it. Ages of files and "last backup at" say nothing of that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

TABLE = "chaoslab.heartbeat"
"""The usual place: `(id bigint primary key, at timestamptz)`, rows only added, by one writer."""
_SHOWN = 5
"""Ids that a message names."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A commit of the heartbeat writer."""

    id: int
    known_s: float
    """When it was known to be committed: a moment after its commit, in seconds of the clock in use."""


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """How far back the recovered database is."""

    method: str
    """`acknowledgements`, `heartbeat table`, `snapshot` or `unknown`."""
    lost_s: tuple[float, float | None] | None = None
    """Low and high bound in seconds; None for a bound that does not exist, or for no figure at all."""
    lost_rows: int | None = None
    """Beats that were committed and are lost."""
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    """Why there is no figure."""


def read_acknowledgements(path: Path, database: str, *, until_mono_s: float) -> list[Beat]:
    """Return the acknowledged beats of a database up to an instant, oldest first.

    Args:
        path: the writer's log: lines `database id unix_time monotonic_time`, the name as it is or as `name_in_log`
            has it; its predecessor is `path.1`
        database: whose beats
        until_mono_s: an instant on this machine's monotonic clock
    """
    beats, names = [], {database, name_in_log(database)}
    for file in (path.with_name(path.name + ".1"), path):
        if not file.exists():
            continue
        for line in file.read_text().splitlines():
            words = line.rsplit(maxsplit=3)
            if len(words) == 4 and words[0] in names and float(words[3]) <= until_mono_s:
                beats.append(Beat(int(words[1]), float(words[3])))
    return beats


def name_in_log(database: str) -> str:
    """Return a database's name as one word, whatever is in it."""
    return quote(database, safe="")


def read_beats(connection: Connection, table: str = TABLE) -> list[Beat] | None:
    """Return the beats in a database, oldest first; None if it has no heartbeat.

    Raises:
        CannotRead: the table is there, but cannot be read.
    """
    if not has_heartbeat(connection, table):
        return None
    query = f"SELECT id, extract(epoch FROM at)::float8 FROM {table} ORDER BY id"  # noqa: S608
    rows = ask(lambda: connection.execute(query).fetchall(), f"the heartbeat in {table}")
    return [Beat(*row) for row in rows]


def has_heartbeat(connection: Connection, table: str = TABLE) -> bool:
    """Return whether a database has a heartbeat table."""
    row = ask(lambda: connection.execute("SELECT to_regclass(%s)", [table]).fetchone(), f"the table {table}")
    return bool(row and row[0])


def newest_beat(dsn: str, *, who: str, table: str = TABLE) -> int | None:
    """Return the newest beat's id; None without a heartbeat or a beat."""
    with connect(dsn, who=who) as connection:
        if not has_heartbeat(connection, table):
            return None
        query = f"SELECT max(id) FROM {table}"  # noqa: S608
        row = ask(lambda: connection.execute(query).fetchone(), f"the heartbeat in {table}")
    return row[0] if row else None


def recovery_point(
    known: Sequence[Beat], present: Set[int], *, disaster_s: tuple[float, float], method: str
) -> RecoveryPoint:
    """Work out what was lost. Pure.

    The writer commits one beat after the other, and a beat is known to be committed at or after its commit. So
    the recovery point lies before the first lost beat was known, and after the last beat but one that is there
    was known.

    Args:
        known: beats that were committed before the disaster, oldest first
        present: ids that are in the recovered database
        disaster_s: bounds of the disaster's instant on the beats' clock
        method: how the beats were learned
    """
    if not known:
        return RecoveryPoint("unknown", reason="the heartbeat had no beat before the disaster")
    kept = [index for index, beat in enumerate(known) if beat.id in present]
    if not kept:
        absent = Difference(
            "heartbeat-absent", TABLE, "no beat was restored: nothing tells how far back the data is", actual=0
        )
        return RecoveryPoint(method, (max(0.0, disaster_s[0] - known[0].known_s), None), len(known), (absent,))
    newest = kept[-1]
    lost = known[newest + 1 :]
    low_s = max(0.0, disaster_s[0] - lost[0].known_s) if lost else 0.0
    high_s = max(low_s, disaster_s[1] - known[max(0, newest - 1)].known_s)
    holes = _holes(known[:newest], present)
    return RecoveryPoint(method, (low_s, high_s), len(lost), holes)


def from_snapshot(snapshot_s: tuple[float, float], disaster_s: tuple[float, float]) -> RecoveryPoint:
    """Bound the loss by the dump's snapshot: whatever was committed after it is lost, if anything was."""
    return RecoveryPoint("snapshot", (0.0, max(0.0, disaster_s[1] - snapshot_s[0])))


def _holes(before: Sequence[Beat], present: Set[int]) -> tuple[Difference, ...]:
    """Find lost beats that are older than one that is there. Lag loses the newest; a hole is damage."""
    oldest = min(present)
    # A writer tidies up: what is older than anything that is there was removed, not lost.
    begin = bisect_right([beat.id for beat in before], oldest)
    holes = [beat.id for beat in before[begin:] if beat.id not in present]
    if not holes:
        return ()
    names = ", ".join(str(hole) for hole in holes[:_SHOWN]) + (" ..." if len(holes) > _SHOWN else "")
    message = f"{len(holes)} beats are missing although newer ones are there: {names}"
    return (Difference("heartbeat-hole", TABLE, message, expected=0, actual=len(holes)),)
