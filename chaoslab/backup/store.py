"""A folder of backup sets. A name without `.partial` promises a whole set, whenever the machine stops.

ROOT/20261121T020000Z/set.json      a set: it lists all of its files
ROOT/20261121T020000Z.partial/      one that is being made or removed, or was when its run died: the next run clears it
ROOT/.chaoslab-backup.lock          held by the run at work; the kernel frees it, however the run ends

Whatever else lies in the folder is left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from chaoslab.backup.sets import SET, BackupSet, BadSet, parse_set
from chaoslab.backup.stamp import is_stamp, stamp_of
from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.postgres.servers.scratch import end_programs

PARTIAL = ".partial"
LOCK = ".chaoslab-backup.lock"
_SET_MAX_BYTES = 64 << 20


class StoreFailed(ChaoslabError):
    """The folder of the sets cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a store holds."""

    sets: list[BackupSet] = field(default_factory=list)
    """The whole ones, the oldest first."""
    unreadable: list[str] = field(default_factory=list)
    """What has the name of a set and is none, a line each. It is never deleted."""


class Store:
    """The sets in a folder."""

    def __init__(self, root: Path) -> None:
        """Take the folder."""
        self.root = root.absolute()

    def folder(self, stamp: str) -> Path:
        """Return where a set lies."""
        return self.root / stamp

    def make(self) -> None:
        """Make the folder, readable by its owner alone: dumps hold everything.

        Raises:
            BadUsage: it cannot be made.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as broken:
            raise BadUsage(f"{self.root} cannot hold backups: {broken.strerror}") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only run at work on the folder.

        Raises:
            Refused: another one is at work.
            BadUsage: the folder cannot be written.
        """
        try:
            file = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as broken:
            raise BadUsage(f"{self.root} cannot hold backups: {broken.strerror}") from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(file, 100, 0).decode(errors="replace").strip() or "unknown"
                raise Refused("lock", f"another run (pid {holder}) is backing up into {self.root}") from None
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(file)

    def listing(self) -> Listing:
        """Return the sets.

        Raises:
            StoreFailed: the folder cannot be read.
        """
        found = Listing()
        for name in sorted(filter(is_stamp, self._names())):
            path = self.root / name / SET
            try:
                one = parse_set(_content(path), str(path))
                if one.stamp != name:
                    raise BadSet(f"{path} is that of another set, {one.stamp}")
                found.sets.append(one)
            except BadSet as bad:
                found.unreadable.append(str(bad))
            except OSError as broken:
                found.unreadable.append(f"{path} cannot be read: {broken.strerror}")
        return found

    def begin(self, now: datetime) -> tuple[str, Path]:
        """Make the folder in which a set is made; return its future name too.

        Raises:
            StoreFailed: it cannot be made.
        """
        while self.folder(stamp_of(now)).exists() or self._partial(stamp_of(now)).exists():
            now += timedelta(seconds=1)  # a clock was set back
        stamp = stamp_of(now)
        try:
            self._partial(stamp).mkdir(mode=0o700)
        except OSError as broken:
            raise StoreFailed(f"{self.root} cannot be written: {broken.strerror}") from None
        return stamp, self._partial(stamp)

    def publish(self, made: BackupSet) -> Path:
        """Write set.json and give the set its name, all of it on disk before.

        Raises:
            StoreFailed: the disk is full, or does not do as it is told.
        """
        partial, final = self._partial(made.stamp), self.folder(made.stamp)
        try:
            with (partial / SET).open("x") as stream:
                stream.write(made.to_json())
                stream.flush()
                os.fsync(stream.fileno())
            for folder, _, _ in os.walk(partial):
                _sync(Path(folder))
            partial.rename(final)
            _sync(self.root)
        except OSError as broken:
            raise StoreFailed(f"{partial} cannot be completed: {broken.strerror}") from None
        return final

    def remove(self, stamp: str) -> None:
        """Remove a set. Cut off in the middle, it is no set any more, and the next run removes the rest.

        Raises:
            StoreFailed: it cannot be removed.
        """
        try:
            if self.folder(stamp).exists():
                self.folder(stamp).rename(self._partial(stamp))
            self.discard(stamp)
        except OSError as broken:
            raise StoreFailed(f"{self.folder(stamp)} cannot be removed: {broken.strerror}") from None

    def discard(self, stamp: str) -> None:
        """Remove what is half made, or half removed. Harmless when there is nothing.

        Raises:
            StoreFailed: it cannot be removed.
        """
        partial = self._partial(stamp)
        if not partial.exists():
            return
        end_programs(partial)  # a dump outlives a runner that was killed
        try:
            shutil.rmtree(partial)
        except OSError as broken:
            raise StoreFailed(f"{partial} cannot be removed: {broken.strerror or broken}") from None

    def dead(self) -> list[str]:
        """Return the names of sets that dead runs left half made or half removed; ask only while you are alone.

        Raises:
            StoreFailed: the folder cannot be read.
        """
        names = (name.removesuffix(PARTIAL) for name in self._names() if name.endswith(PARTIAL))
        return sorted(filter(is_stamp, names))

    def _partial(self, stamp: str) -> Path:
        return self.root / f"{stamp}{PARTIAL}"

    def _names(self) -> list[str]:
        try:
            return [entry.name for entry in self.root.iterdir() if entry.is_dir() and not entry.is_symlink()]
        except OSError as broken:
            raise StoreFailed(f"{self.root} cannot be read: {broken.strerror}") from None


def _content(path: Path) -> bytes:
    """Return what is in a set.json. What has its name and is no file of ours may have no end, or keep a reader waiting.

    Raises:
        BadSet: it is a link, a pipe or a device, or far too long.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise BadSet(f"{path} is no file")
    with path.open("rb") as stream:
        content = stream.read(_SET_MAX_BYTES + 1)
    if len(content) > _SET_MAX_BYTES:
        raise BadSet(f"{path} is too long to be that of a set")
    return content


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
