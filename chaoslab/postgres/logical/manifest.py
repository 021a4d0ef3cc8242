"""The manifest beside a dump: what was dumped, and how its files must look.

shop-20260131T020000Z.dump             (or a folder, shop-20260131T020000Z.dir)
shop-20260131T020000Z.globals.sql
shop-20260131T020000Z.manifest.json    checksums of the other two, and the facts of the dumped snapshot
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chaoslab.postgres.difference import Difference

FORMAT = 2
_READABLE = {1, 2}
"""The first has digests of rows' text; the second says how its digests were made."""
_CHUNK = 1 << 20


def manifest_path(dump: Path) -> Path:
    """Return where the manifest of a dump lies."""
    return dump.with_suffix(".manifest.json")


def read_manifest(dump: Path) -> dict[str, Any] | None:
    """Return the manifest of a dump, or None if there is none of ours that speaks of it."""
    path = manifest_path(dump)
    if not path.is_file():
        return None  # a pipe or a device of that name may never end
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    known = isinstance(manifest, dict) and manifest.get("format") in _READABLE
    return manifest if known and manifest.get("dump") == dump.name else None


def write_manifest(dump: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a dump, whole or not at all."""
    path = manifest_path(dump)
    new = path.with_name(path.name + ".partial")
    try:
        with new.open("w") as stream:
            json.dump(manifest, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def files_of(dump: Path, *others: Path) -> list[Path]:
    """Return the files that make a dump, and others that belong to it."""
    own = sorted(dump.iterdir()) if dump.is_dir() else [dump]
    return [*own, *others]


def describe_files(root: Path, paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return name, size and SHA-256 of files, named relative to a folder."""
    return [
        {"path": str(path.relative_to(root)), "bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths
    ]


def differences_from_manifest(dump: Path, manifest: Mapping[str, Any]) -> list[Difference]:
    """Return which files of a dump are not those that were written."""
    found = []
    for entry in manifest["files"]:
        path, name = dump.parent / entry["path"], entry["path"]
        if not path.exists():
            found.append(Difference("backup-truncated", name, f"{name} is missing from the backup"))
        elif (size := path.stat().st_size) < entry["bytes"]:
            message = f"{name} is shorter than it was written"
            found.append(Difference("backup-truncated", name, message, expected=entry["bytes"], actual=size))
        elif (digest := sha256(path)) != entry["sha256"]:
            message = f"{name} is not what was written: its checksum differs"
            found.append(Difference("backup-checksum-differs", name, message, expected=entry["sha256"], actual=digest))
    return found


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
