"""What detectors look at, and what one of them says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chaoslab.postgres.physical.repository import BaseBackup, Repository
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.servers.cluster import Cluster

Sight = Literal["saw", "clean", "unknown"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a detector says. One that could not look is `unknown`, never `clean`."""

    sight: Sight
    message: str = ""
    """What it saw, or why it could not look; one line."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where detectors look."""

    cluster: Cluster
    """The server, running."""
    database: str
    binaries: Binaries
    archive: Path
    """The folder of archived WAL."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of archived files, noted while all was well."""
    expected: Mapping[str, Any] = field(default_factory=dict)
    """The facts of the database, noted while all was well; see `expecting`."""
    repository: Repository | None = None
    backups: tuple[BaseBackup, ...] = ()
    """The base backups to look at, the oldest first."""
    folders: tuple[Path, ...] = ()
    """Their folders."""
    deadline_s: float = 3600.0
    """Seconds that one look may take."""
    watch: Callable[[], None] = lambda: None
    """Called again and again; what it raises stops a look."""
    sample: Callable[[float, bool, str], None] = lambda latency_s, good, note: None
    """Takes what a client of the service met: its latency, whether it was good, and what was wrong."""

    @property
    def dsn(self) -> str:
        """How to reach the database, with the password."""
        return self.cluster.dsn(self.database)


type Look = Callable[[Ground], Seen]


def saw(message: str) -> Seen:
    """Return that there is damage."""
    return Seen("saw", message)


def clean(message: str = "") -> Seen:
    """Return that it looked at everything and all is well."""
    return Seen("clean", message)


def unknown(why: str) -> Seen:
    """Return that it could not look."""
    return Seen("unknown", why)
