"""The stand-in's own repository: its base backups and its archive, two folders."""

from __future__ import annotations

from pathlib import Path

from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.repository import Repository


def repository_of(backups: Path, archive: Path) -> Repository:
    """Return the repository of a stand-in."""
    return open_repository("folder", backups=str(backups), wal=str(archive))
