"""Where backups lie, and what can be asked of each such place. Nothing here writes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chaoslab.backup.freshness.evidence import Entry
from chaoslab.core.errors import ChaoslabError

CHUNK = 1 << 20


class PlaceAbsent(ChaoslabError):
    """There is no such folder, bucket or prefix: whoever looks for a backup there finds none."""


class PlaceUnreadable(ChaoslabError):
    """The place may be there, and nobody can tell what is in it."""


@dataclass(slots=True)
class Listing:
    """What is in a place."""

    entries: list[Entry] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Folders that may not be read, each with the reason."""


class Place(Protocol):
    """A folder, or a prefix of a bucket."""

    @property
    def label(self) -> str:
        """What people call it: `/backups`, `s3://bucket/prefix`."""

    @property
    def remote(self) -> bool:
        """Whether it is an object store."""

    def listing(self) -> Listing:
        """Return all files below it.

        Raises:
            PlaceAbsent: there is no such place.
            PlaceUnreadable: it cannot be read.
        """

    def read(self, name: str, *, first: int | None = None, last: int | None = None) -> bytes:
        """Return a file, or its first or last so many bytes.

        Raises:
            PlaceUnreadable: it cannot be read.
        """

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file piece by piece.

        Raises:
            PlaceUnreadable: it cannot be read.
        """


class FolderPlace:
    """A folder of this machine."""

    remote = False

    def __init__(self, root: Path) -> None:
        """Take the folder; it is not looked at yet."""
        self.root = root

    @property
    def label(self) -> str:
        """Its path."""
        return str(self.root)

    def listing(self) -> Listing:
        """Return all files below it; links are not followed, they would count a backup twice.

        Raises:
            PlaceAbsent: there is no such folder.
            PlaceUnreadable: it may not be read.
        """
        found = Listing()
        pending = [("", str(self.root))]
        while pending:
            prefix, folder = pending.pop()
            try:
                self._scan(folder, prefix, found, pending)
            except OSError as broken:
                if prefix:
                    found.unreadable.append(f"{prefix.rstrip('/')}: {broken.strerror}")
                elif broken.errno in (errno.ENOENT, errno.ENOTDIR):
                    raise PlaceAbsent(f"there is no folder {self.root}") from None
                else:
                    raise PlaceUnreadable(f"the folder {self.root} cannot be read: {broken.strerror}") from None
        return found

    def _scan(self, folder: str, prefix: str, found: Listing, pending: list[tuple[str, str]]) -> None:
        """Read one folder: the kind of an entry comes with its name, and only files are asked for more."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{prefix}{entry.name}/", entry.path))
                elif not entry.is_symlink():
                    self._add(entry, prefix, found)

    @staticmethod
    def _add(entry: os.DirEntry[str], prefix: str, found: Listing) -> None:
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # retention removed it a moment ago
        except OSError as broken:
            found.unreadable.append(f"{prefix}{entry.name}: {broken.strerror}")
            return
        if stat.S_ISREG(about.st_mode):
            found.entries.append(Entry(prefix + entry.name, about.st_size, about.st_mtime))

    def read(self, name: str, *, first: int | None = None, last: int | None = None) -> bytes:
        """Return a file, or its first or last so many bytes.

        Raises:
            PlaceUnreadable: it cannot be read.
        """
        try:
            with (self.root / name).open("rb") as stream:
                if last is not None:
                    stream.seek(0, os.SEEK_END)
                    stream.seek(max(0, stream.tell() - last))
                return stream.read(-1 if first is None else first)
        except OSError as broken:
            raise PlaceUnreadable(f"{name} cannot be read: {broken.strerror}") from None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file piece by piece.

        Raises:
            PlaceUnreadable: it cannot be read.
        """
        try:
            with (self.root / name).open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
        except OSError as broken:
            raise PlaceUnreadable(f"{name} cannot be read: {broken.strerror}") from None
