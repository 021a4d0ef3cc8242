"""Read the manifest that PostgreSQL writes beside a base backup, and hold its files against it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.checksums import ALGORITHMS, Digest, digest
from chaoslab.postgres.physical.wal import parse_lsn

NAME = "backup_manifest"
CHUNK_BYTES = 1 << 20
_SIGNED = b'"Manifest-Checksum"'
_NOT_LISTED = (NAME, "postgresql.auto.conf", "recovery.signal", "standby.signal")
"""What may be there beside the files of the manifest, as pg_verifybackup has it; and anything in pg_wal."""

type Opened = tuple[str, int, IO[bytes]]
"""A file of a backup: its path in the data folder, its size, its content."""


class ManifestBroken(ValueError):
    """A manifest is torn, or not what was written."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as the manifest describes it."""

    path: str
    bytes: int
    algorithm: str
    checksum: str


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """What PostgreSQL wrote down about a base backup."""

    files: dict[str, Listed]
    wal: tuple[tuple[int, int, int], ...]
    """Timeline, first and last LSN of each stretch of WAL without which the backup is worth nothing."""
    system_identifier: str
    """'' before PostgreSQL 17."""


def parse(raw: bytes) -> BackupManifest:
    """Return what a manifest says, once its own checksum has been found right.

    Raises:
        ManifestBroken: it is torn or was changed; says how.
    """
    cut = raw.rfind(_SIGNED)
    try:
        told: dict[str, Any] = json.loads(raw)
        expected = told["Manifest-Checksum"]
        if cut < 0 or hashlib.sha256(raw[:cut]).hexdigest() != expected:
            raise ManifestBroken("its own checksum says that it was changed")
        files = [_listed(entry) for entry in told["Files"]]
        wal = tuple(
            (int(one["Timeline"]), parse_lsn(one["Start-LSN"]), parse_lsn(one["End-LSN"])) for one in told["WAL-Ranges"]
        )
        return BackupManifest({one.path: one for one in files}, wal, str(told.get("System-Identifier", "")))
    except ManifestBroken:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as torn:
        raise ManifestBroken(f"it is torn: {torn}") from None


def differences(manifest: BackupManifest, files: Iterable[Opened], watch: Callable[[], None]) -> list[Difference]:
    """Return which files of a backup are not those of its manifest; each is read once.

    Args:
        manifest: what was written
        files: what is there
        watch: called again and again; what it raises stops the reading
    """
    found, seen = [], set()
    for path, size, stream in files:
        listed = manifest.files.get(path)
        if listed is None:
            if not _may_be_there(path):
                message = f"{path} is in the backup, but not in its manifest"
                found.append(Difference("backup-file-unexpected", path, message))
            continue
        seen.add(path)
        found += _of_file(listed, size, stream, watch)
    for path in sorted(manifest.files.keys() - seen):
        found.append(Difference("backup-truncated", path, f"{path} is in the manifest, but not in the backup"))
    return found


def _of_file(listed: Listed, size: int, stream: IO[bytes], watch: Callable[[], None]) -> Iterator[Difference]:
    path = listed.path
    if size != listed.bytes:
        code = "backup-truncated" if size < listed.bytes else "backup-checksum-differs"
        message = f"{path} has another size than was written"
        yield Difference(code, path, message, expected=listed.bytes, actual=size)
        return
    if listed.algorithm == "NONE":
        return
    actual = _checksum(stream, digest(listed.algorithm), watch)
    if actual != listed.checksum:
        message = f"{path} is not what was written: its checksum differs"
        yield Difference("backup-checksum-differs", path, message, expected=listed.checksum, actual=actual)


def _checksum(stream: IO[bytes], known: Digest, watch: Callable[[], None]) -> str:
    while chunk := stream.read(CHUNK_BYTES):
        watch()
        known.update(chunk)
    return known.hexdigest()


def _listed(entry: dict[str, Any]) -> Listed:
    path = entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode(errors="surrogateescape")
    algorithm = str(entry.get("Checksum-Algorithm", "NONE")).upper()
    if algorithm not in ALGORITHMS:
        raise ManifestBroken(f"it uses the checksum {algorithm}, which nobody knows")
    return Listed(path, int(entry["Size"]), algorithm, str(entry.get("Checksum", "")))


def _may_be_there(path: str) -> bool:
    return path in _NOT_LISTED or path.startswith("pg_wal/")
