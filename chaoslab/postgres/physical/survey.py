"""How far could we have gone back? What a repository really offers, told from what is in it."""

from __future__ import annotations

from dataclasses import dataclass

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.codes import Severity
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.fetching import first_header, histories
from chaoslab.postgres.physical.repository import BaseBackup, Repository, WalFile
from chaoslab.postgres.physical.wal import DEFAULT_SEGMENT_BYTES, Reach, Switch, format_lsn, reach, route_from, route_to


@dataclass(frozen=True, slots=True)
class Window:
    """The points to which one base backup leads."""

    backup: BaseBackup
    reach: Reach
    until_at: float
    """When the last segment of it was archived, in seconds since 1970; 0.0 without any."""


@dataclass(frozen=True, slots=True)
class Survey:
    """All that a repository offers."""

    backups: list[BaseBackup]
    windows: list[Window]
    wal: list[WalFile]
    segment_bytes: int
    histories: dict[int, tuple[Switch, ...]]
    """Of each timeline with an archived history, its ancestors."""
    differences: list[Difference]

    def leads_to(self, backup: BaseBackup, timeline: str) -> bool:
        """Return whether a timeline that somebody asks for by its number grew out of what a backup belongs to."""
        if not timeline.isdigit():
            return True
        wanted = route_to(int(timeline), self.histories.get(int(timeline), ()))
        return wanted.holds(backup.timeline, backup.start_lsn)

    @property
    def earliest_at(self) -> float:
        """The earliest instant to which one could go back; 0.0 where nothing tells."""
        return min(
            (one.backup.ended_at for one in self.windows if one.reach.segments and one.backup.ended_at), default=0.0
        )

    @property
    def latest_at(self) -> float:
        """When the newest segment that can be reached was archived."""
        return max((one.until_at for one in self.windows), default=0.0)


def survey(repository: Repository) -> Survey:
    """Look at a repository's base backups and archived WAL.

    Raises:
        RepositoryFailed: it cannot be read, or holds no base backup.
    """
    backups, wal = repository.backups(), repository.wal()
    names = [one.name for one in wal]
    header = first_header(repository, names)
    segment_bytes = header.segment_bytes if header else DEFAULT_SEGMENT_BYTES
    known = histories(repository, names)
    archived = {one.name: one.archived_at for one in wal}
    windows = []
    for backup in (one for one in backups if one.start_lsn):
        route = route_from(backup.timeline, backup.start_lsn, known)
        found = reach(backup.start_lsn, route, names, segment_bytes)
        windows.append(Window(backup, found, archived.get(found.last, 0.0)))
    differences = [*_gaps(windows), *_foreign(backups, header.system_identifier if header else "")]
    return Survey(backups, windows, wal, segment_bytes, known, differences)


def gaps_behind(repository: Repository, backup: BaseBackup) -> list[Difference]:
    """Name the gaps at which a recovery from a backup ends; none where there are none or nobody can tell any more."""
    try:
        windows = [one for one in survey(repository).windows if one.backup.label == backup.label]
    except ChaoslabError:  # the recovery has failed already: that is what is told
        return []
    return _gaps(windows)


def _gaps(windows: list[Window]) -> list[Difference]:
    """Name each gap once. Behind the newest backup's beginning it shortens the window; after it, it ends it."""
    newest = max((one.backup.start_lsn for one in windows), default=0)
    found: dict[str, Difference] = {}
    for window in windows:
        for gap in window.reach.gaps:
            ends_it = window.backup.start_lsn == newest
            message = f"WAL is missing from the archive: {gap}; from {window.backup.label} recovery ends at "
            message += format_lsn(window.reach.end_lsn)
            severity: Severity = "failure" if ends_it else "warning"
            found[gap.first] = Difference(
                "wal-gap", gap.first, message, expected=0, actual=gap.segments, severity=severity
            )
    return list(found.values())


def _foreign(backups: list[BaseBackup], wal_system: str) -> list[Difference]:
    """Find base backups of another server than the one whose WAL is archived."""
    return [
        Difference(
            "wal-of-another-system",
            one.label,
            f"{one.label} is a backup of another server than the one whose WAL is archived",
            expected=one.system_identifier,
            actual=wal_system,
        )
        for one in backups
        if wal_system and one.system_identifier and one.system_identifier != wal_system
    ]
