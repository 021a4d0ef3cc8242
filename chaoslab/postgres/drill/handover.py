"""What a step of the drill hands over to the next: plain data, for the journal too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.logical.archive import Backup, open_backup
from chaoslab.postgres.programs.binaries import Binaries, find_binaries


class DrillStopped(ChaoslabError):
    """The drill cannot go on; its findings say why."""


def described(backup: Backup, source_database: str) -> dict[str, Any]:
    """Return what later steps and the journal need to know of a dump."""
    manifest = backup.manifest or {}
    return {
        "path": str(backup.path),
        "globals": str(backup.globals_path) if backup.globals_path else "",
        "database": backup.database,
        "source_database": source_database,
        "form": backup.form,
        "bytes": backup.bytes,
        "major": max(backup.server_major, backup.dumped_by_major),
        "taken_at": manifest.get("taken_at", ""),
        "created": backup.created,
        "with_manifest": backup.manifest is not None,
    }


def opened(backup: Mapping[str, Any], binaries: Binaries) -> Backup:
    """Open the dump that a step handed over."""
    roles = Path(backup["globals"]) if backup["globals"] else None
    return open_backup(Path(backup["path"]), binaries, globals_path=roles)


def binaries_for(backup: Mapping[str, Any], bin_dir: str) -> Binaries:
    """Find programs that are new enough for a dump that a step handed over."""
    return find_binaries(backup["major"], bin_dir)
