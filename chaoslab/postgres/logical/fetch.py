"""Copy a dump with all that belongs to it to where it is restored, as one fetches it from a backup store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.logical.archive import Backup
from chaoslab.postgres.logical.manifest import manifest_path
from chaoslab.postgres.servers.scratch import Scratch

_CHUNK = 4 << 20


class FetchFailed(ChaoslabError):
    """The dump could not be copied."""


def fetch_backup(backup: Backup, scratch: Scratch, *, watch: Callable[[], None]) -> Backup:
    """Copy dump, roles and manifest, and return the copy.

    Args:
        backup: the dump
        scratch: where the copy goes
        watch: called again and again; what it raises stops the copying

    Raises:
        FetchFailed: a file is gone or unreadable, or the disk is full.
    """
    target = scratch.fetched / backup.path.name
    try:
        if backup.path.is_dir():
            target.mkdir(mode=0o700)
            for path in backup.files:
                _copy(path, target / path.name, watch)
        else:
            _copy(backup.path, target, watch)
        roles = None
        if backup.globals_path is not None:
            roles = scratch.fetched / backup.globals_path.name
            _copy(backup.globals_path, roles, watch)
        if backup.manifest is not None:
            _copy(manifest_path(backup.path), manifest_path(target), watch)
    except OSError as broken:
        raise FetchFailed(f"the backup could not be fetched: {broken.strerror}: {broken.filename}") from None
    return replace(backup, path=target, globals_path=roles)


def _copy(source: Path, target: Path, watch: Callable[[], None]) -> None:
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK):
            watch()
            writing.write(chunk)
