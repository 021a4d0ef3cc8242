"""The undo ledger: what must be undone, on the disk before it is done.

One file a run in the state folder, one JSON object a line, appended and fsynced. It holds data only: the name
of a function that carries a registered fault, and JSON for it. An entry goes intended -> injected -> undone;
whatever is not undone when its runner is gone is residue.
"""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.runtime.entry import TORN, VERSION, By, Entry, Reading, Role
from chaoslab.runtime.filelock import flock_within
from chaoslab.runtime.identity import ProcessIdentity, myself
from chaoslab.runtime.places import private_folder

__all__ = ["By", "Entry", "Role", "UndoLedger", "ledger_folder", "ledgers"]
_ANOTHER_WAY = {errno.EACCES, errno.EPERM, errno.EROFS}
"""Errors of a ledger that may be read, and not written."""
_UNNAMED = ".new"


class UndoLedger:
    """The ledger of one run; the runner, its reaper and `chaoslab undo` may all have it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.RLock()
        self._file, self.is_writable = _opened(path)
        self._depth = 0
        self._reading = Reading()
        self._read_bytes = 0

    @classmethod
    def create(cls, state: Path, *, run_id: str, folder: Path) -> "UndoLedger":
        """Begin the ledger of a run.

        Raises:
            Refused: the state folder cannot be written.
        """
        with _writing(state):
            return cls._create(ledger_folder(state) / f"{run_id}.jsonl", run_id=run_id, folder=folder)

    @classmethod
    def _create(cls, path: Path, *, run_id: str, folder: Path) -> "UndoLedger":
        unnamed = path.with_suffix(_UNNAMED)  # it appears under its name only with its header in it
        os.close(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        ledger = cls(unnamed)
        header = {"version": VERSION, "run": run_id, "folder": str(folder), "runner": asdict(myself())}
        try:
            with ledger.exclusive():  # so nobody takes it for one whose maker was killed
                ledger._append({"kind": "opened", **header}, sync=True)
                unnamed.rename(path)
        except BaseException:
            os.close(ledger._file)
            unnamed.unlink(missing_ok=True)
            raise
        ledger.path = path
        _sync_folder(path.parent)
        return ledger

    def intend(
        self,
        *,
        name: str,
        target: str,
        role: Role,
        undo: str,
        data: Mapping[str, Any],
        expires_mono_s: float,
        expires_boot_s: float = float("inf"),
        claims: tuple[str, ...] = (),
    ) -> Entry:
        """Write down what is about to be injected; when this returns, it is on the disk.

        Raises:
            Refused: it cannot be written; or it was removed while the run is on, so nobody would find what is in it.
        """
        with self._thread_lock, self.exclusive(), _writing(self.path):
            if not self._is_where_it_was():
                raise Refused("ledger", f"{self.path} was removed while the run is on; nothing more is injected")
            number = max((entry.number for entry in self.entries()), default=0) + 1
            expires = (expires_mono_s, expires_boot_s)
            token = os.urandom(16).hex()
            entry = Entry(number, name, target, role, undo, dict(data), *expires, claims, token)
            self._append(entry.intent(), sync=True)
        return entry

    def injected(self, number: int) -> None:
        """Write down that the fault is on."""
        self._append({"kind": "injected", "number": number})

    def undone(self, number: int, by: By) -> None:
        """Write down that nothing is left of it."""
        self._append({"kind": "undone", "number": number, "by": by})

    def failed(self, number: int, by: By, error: str) -> None:
        """Write down that an attempt to undo it failed; it stays open."""
        self._append({"kind": "undo-failed", "number": number, "by": by, "error": error})

    def entries(self) -> list[Entry]:
        """Return all entries as they stand on the disk, oldest first."""
        self._catch_up()
        return list(self._reading.entries.values())

    def illegible(self) -> list[str]:
        """Return the lines that cannot be read, as `file:line: why`: each may have been something to undo."""
        self._catch_up()
        found = [f"{self.path}:{line}: {why}" for line, why in sorted(self._reading.illegible.items())]
        if not found and not self._reading.header:
            found.append(f"{self.path}:1: it has no readable first line, which every ledger begins with")
        return found

    def open_entries(self) -> list[Entry]:
        """Return what is still to undo, newest first."""
        return [entry for entry in reversed(self.entries()) if entry.state != "undone"]

    def header(self) -> dict[str, Any]:
        """Return the run's id, its folder and its runner; empty when its first line cannot be read."""
        self._catch_up()
        return self._reading.header

    def runner(self) -> ProcessIdentity | None:
        """Return which process runs, or ran, the exercise."""
        self._catch_up()
        return self._reading.runner()

    @contextmanager
    def exclusive(self, *, within_s: float = 10.0) -> Iterator[bool]:
        """Keep the other processes that may undo out; yield whether that was achieved in time.

        A holder that hangs must not keep a fault alive: after the wait the caller goes on without the lock,
        which is safe because every undo is idempotent.
        """
        with self._thread_lock:
            owned = self._depth > 0 or flock_within(self._file, within_s)
            self._depth += owned
            try:
                yield owned
            finally:
                self._depth -= owned
                if owned and self._depth == 0:
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self, *, keep: bool = False) -> None:
        """Close the file; unless it is to be kept, a ledger with nothing open has done its work and is removed.

        A second call does nothing.
        """
        with self._thread_lock:
            if self._file < 0:
                return
            try:
                if not keep and not self.open_entries() and not self.illegible():
                    with suppress(OSError):  # a folder that cannot be written: then it is found again, and undone again
                        self.path.unlink(missing_ok=True)
            finally:
                os.close(self._file)
                self._file = -1

    def _append(self, line: dict[str, Any], *, sync: bool = False) -> None:
        """Write a line. Only an intent must survive a power failure: without the later lines it is undone once more."""
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        with self._thread_lock:
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                data = TORN.encode() + b"\n" + data  # the line before was torn; it was never acted on
            while data:
                data = data[os.write(self._file, data) :]
            if sync:
                os.fsync(self._file)

    def _catch_up(self) -> None:
        """Read what was appended since the last look, by this process or another, up to the last whole line."""
        with self._thread_lock:
            size = os.fstat(self._file).st_size
            if size == self._read_bytes:
                return
            if size < self._read_bytes:
                self._read_bytes = 0  # somebody has cut it: what was known before stays known
            data = os.pread(self._file, size - self._read_bytes, self._read_bytes)
            whole = data[: data.rfind(b"\n") + 1]
            for line in whole.decode(errors="replace").split("\n")[:-1]:
                self._reading.take(line)
            self._read_bytes += len(whole)

    def _is_where_it_was(self) -> bool:
        """Say whether the file can still be found by those who would undo."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file))
        except FileNotFoundError:
            return False


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Refuse what would have no line in the ledger."""
    try:
        yield
    except OSError as error:
        told = f"cannot write {error.filename or path}: {error.strerror or error}; nothing more is injected"
        raise Refused("ledger", told) from error


def ledger_folder(state: Path) -> Path:
    """Return the folder of all ledgers."""
    return private_folder(state / "ledger")


def ledgers(state: Path) -> Iterator[UndoLedger | OSError]:
    """Open one ledger after the other, oldest run first, for the caller to close; one that cannot be is its error.

    There may be more of them than this process may have files open.

    Raises:
        OSError: the folder cannot be read, so nobody knows what is in it.
    """
    folder = state / "ledger"
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return  # nothing was ever injected
    for name in names:
        if name.endswith(_UNNAMED):
            _sweep(folder / name)
        elif name.endswith(".jsonl"):
            yield _ledger_or_error(folder / name)


def _ledger_or_error(path: Path) -> UndoLedger | OSError:
    try:
        return UndoLedger(path)
    except OSError as error:
        return error


def _sweep(unnamed: Path) -> None:
    """Remove a ledger whose maker was killed before it had its name, and so before anything was injected."""
    with suppress(OSError):
        file = os.open(unnamed, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by a maker that lives
            unnamed.unlink()
        finally:
            os.close(file)


def _opened(path: Path) -> tuple[int, bool]:
    """Open a ledger to write it, or at least to read it: what it says can be undone even where that cannot be noted.

    Raises:
        OSError: it can be neither.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC), True
    except OSError as error:
        if error.errno not in _ANOTHER_WAY:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC), False


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
