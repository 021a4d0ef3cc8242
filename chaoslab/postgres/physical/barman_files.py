"""Barman's folders, looked into: its WAL, of which no command of its gives a list. Nothing is changed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.barman_config import BarmanConfig
from chaoslab.postgres.physical.repository import RepositoryFailed, WalFile
from chaoslab.postgres.programs.commands import ServerUser

_NOT_WAL = ("xlog.db",)


def own_user(name: str, where: str) -> ServerUser | None:
    """Return the user that Barman runs as; None when we are that user.

    Raises:
        RepositoryFailed: there is no such user, or we may not become it.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise _refused(where, f"there is no user {name}, as whom its configuration has Barman run") from None
    if os.geteuid() == entry.pw_uid:
        return None
    if os.geteuid() != 0:
        raise _refused(where, f"only {name} may read it: run this as {name} (sudo -u {name} chaoslab ...) or as root")
    return ServerUser(name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))


def archived_files(config: BarmanConfig, where: str) -> list[WalFile]:
    """Return the files in Barman's archive, and those that wait to get there, by name.

    Their bytes are those on the disk, compressed as they are there. One that pg_receivewal is still writing ends
    in `.partial`.

    Raises:
        RepositoryFailed: a folder cannot be read.
    """
    found: dict[str, WalFile] = {}
    try:
        for folder in (*config.incoming, config.wals_directory, *_subfolders(config.wals_directory)):
            for entry in os.scandir(folder) if folder.exists() else ():
                if entry.is_file() and not entry.name.startswith(".") and entry.name not in _NOT_WAL:
                    told = entry.stat()
                    found[entry.name] = WalFile(entry.name, told.st_size, told.st_mtime)
    except OSError as broken:
        raise _refused(where, f"{broken.filename} cannot be read: {broken.strerror}") from None
    return sorted(found.values(), key=lambda one: one.name)


def _subfolders(folder: Path) -> Iterator[Path]:
    yield from (Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())


def _refused(where: str, what: str) -> RepositoryFailed:
    message = f"{where}: {what}"
    return RepositoryFailed(message, [Difference("repository-unreadable", where, message)])
