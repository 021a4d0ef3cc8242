"""Detectors of our own that read files: page checksums, manifests of backups, checksums of archived WAL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from chaoslab.postgres.corruption.detectors.seeing import Ground, Seen, clean, saw, unknown
from chaoslab.postgres.corruption.scanning import scan
from chaoslab.postgres.programs.commands import run

_CONTROL_DEADLINE_S = 10.0
_VERSION_LINE = "Data page checksum version:"
_CHUNK_BYTES = 1 << 20


def page_checksums(ground: Ground) -> Seen:
    """Verify the page checksums of the data folder while the server runs; pg_checksums needs it stopped."""
    return _pages_of(ground, ground.cluster.data, "the data folder")


def backup_pages(ground: Ground) -> Seen:
    """Verify the page checksums inside the base backups: a backup of a damaged page is whole, by its manifest."""
    plain = [folder for folder in ground.folders if (folder / "PG_VERSION").exists()]
    if len(plain) < len(ground.folders) or not plain:
        return unknown("only plain backups can be looked into" if ground.folders else "there is no base backup")
    for folder in plain:
        seen = _pages_of(ground, folder, folder.name)
        if seen.sight != "clean":
            return seen
    return clean(f"all page checksums of {len(plain)} backups are right")


def manifest(ground: Ground) -> Seen:
    """Have the repository check the files of the base backups by their manifests or its own list."""
    if ground.repository is None or not ground.backups:
        return unknown("there is no base backup")
    for backup in ground.backups:
        found = ground.repository.check(backup, deadline_s=ground.deadline_s, watch=ground.watch)
        broken = [one for one in found if one.severity == "failure"]
        if broken:
            return saw(broken[0].message)
        if found:
            return unknown(found[0].message)
    return clean(f"{len(ground.backups)} backups are what their manifests say")


def archive_checksums(ground: Ground) -> Seen:
    """Compare archived files with the SHA-256 that was noted when they were archived."""
    if not ground.checksums:
        return unknown("no checksums were noted when the WAL was archived")
    for name, expected in sorted(ground.checksums.items()):
        path = ground.archive / name
        if not path.exists():
            return saw(f"{name} is not there any more")
        if sha256_of(path, ground.watch) != expected:
            return saw(f"{name} is not what was archived")
    return clean(f"{len(ground.checksums)} archived files are what they were")


def noted_checksums(archive: Path, watch: Callable[[], None] = lambda: None) -> Mapping[str, str]:
    """Return the SHA-256 of every archived file, as an operator's archive script would note it.

    Args:
        archive: the folder
        watch: called again and again; what it raises stops it
    """
    files = sorted(path for path in archive.iterdir() if path.is_file() and "." not in path.name)
    return {path.name: sha256_of(path, watch) for path in files}


def sha256_of(path: Path, watch: Callable[[], None]) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            watch()
            digest.update(chunk)
    return digest.hexdigest()


def _pages_of(ground: Ground, data: Path, name: str) -> Seen:
    if not has_checksums(ground, data):
        return unknown(f"page checksums are off in {name}")
    for page in scan(data, watch=ground.watch):
        return saw(f"{name}: the checksum of {page} is wrong")
    return clean(f"all page checksums of {name} are right")


def has_checksums(ground: Ground, data: Path) -> bool:
    """Say whether the pages of a data folder have checksums, by its control file.

    Raises:
        Missing: pg_controldata is not installed.
        PostgresFailed: the control file cannot be read.
    """
    said = run(
        [ground.binaries.program("pg_controldata"), "-D", data],
        deadline_s=_CONTROL_DEADLINE_S,
        user=ground.cluster.user,
        environment={"LC_ALL": "C"},
    )
    versions = [line.partition(":")[2].strip() for line in said.splitlines() if line.startswith(_VERSION_LINE)]
    return bool(versions) and versions[0] != "0"
