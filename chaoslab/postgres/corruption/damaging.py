"""What is flipped for each kind of damage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.corruption.places import NoPlace, Place, file_place, heap_place, index_place, wal_place
from chaoslab.postgres.physical import standin

WHERE = ("data", "silent", "free")


def require_place(what: str, where: str) -> None:
    """Refuse places that a kind of thing does not have.

    Raises:
        BadUsage: says what to choose of.
    """
    if where not in WHERE:
        raise BadUsage(f"where: '{where}' is no place to flip bytes; choose one of {', '.join(WHERE)}")
    if where == "silent" and what != "heap":
        raise BadUsage(f"where: a damaged {what} has no page checksum to put right; choose data or free")


def place_of(
    what: str, stand_in: Mapping[str, Any], settled: Mapping[str, Any], backups: Mapping[str, Any], *, where: str
) -> Place:
    made, free, checksums = standin.opened(stand_in), where == "free", bool(settled["checksums"])
    if what == "heap":
        file = made.cluster.data / settled["file"]
        return heap_place(file, silent=where == "silent", free=free, checksums=checksums)
    if what == "index":
        return index_place(made.cluster.data / settled["file"], free=free, checksums=checksums)
    if what == "wal":
        return wal_place(_segment(made), free=free)
    newest = Path(backups["backups"][-1])
    copied = newest / settled["file"]
    if copied.exists():
        return heap_place(copied, free=free)
    return file_place(max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size))


def _segment(made: standin.StandIn) -> Path:
    """Return the newest segment that was noted: no recovery from any backup to the end gets past it."""
    noted = sorted(json.loads((made.scratch / "archive.json").read_text()))
    if not noted:
        raise NoPlace("no WAL was archived since the newest backup")
    return made.archive / str(noted[-1])
