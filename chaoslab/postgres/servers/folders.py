"""Folders and files that root shares with the user to whom it hands a server, and with nobody else."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from chaoslab.postgres.programs.commands import PostgresFailed, ServerUser

_WRITING = threading.Lock()
"""A backup is checked while it is restored, and both may write the same configuration of its tool."""


def make_passable(folder: Path) -> None:
    """Make a folder, and those above it that are missing, private to us but passable for the server's user.

    A strict umask would otherwise shut out the user to whom root hands the server.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    for path in reversed([folder, *folder.parents]):
        if not path.exists():
            path.mkdir(exist_ok=True)
            path.chmod(mode)
    folder.chmod(mode)


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds anything.

    Raises:
        PostgresFailed: it does, or cannot be looked into.
    """
    try:
        occupied = folder.exists() and any(folder.iterdir())
    except OSError as broken:
        raise PostgresFailed(f"{folder} cannot hold a server: {broken}") from broken
    if occupied:
        raise PostgresFailed(f"{folder} is not empty: a new server needs a folder of its own")


def give(path: Path, user: ServerUser | None) -> None:
    """Make the server's user the owner; nothing to do when that is us."""
    if user is not None:
        os.chown(path, user.uid, user.gid)


def write_private(path: Path, text: str, owner: ServerUser | None = None) -> None:
    """Write a file that nobody else may read; a reader sees the old text or the new one, never half.

    Args:
        path: the file
        text: all it shall hold
        owner: the server's user, when it has to read it
    """
    new = path.with_name(f"{path.name}.new")
    with _WRITING:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(text)
        give(new, owner)
        new.replace(path)
