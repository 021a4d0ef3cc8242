"""The undo ledger: what must be undone, on the disk before it is done.

One file a run in the state folder, one JSON object a line, appended and fsynced. It holds data only: the name
of a function that carries a registered fault, and JSON for it. An entry goes intended -> injected -> undone;
whatever is not undone when its runner is gone is residue.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from chaoslab.core.errors import ChaoslabError
from chaoslab.runtime.filelock import flock_within
from chaoslab.runtime.identity import ProcessIdentity, myself
from chaoslab.runtime.places import private_folder

VERSION = 1
Role = Literal["fault", "scratch", "rollback"]
By = Literal["run", "reaper", "undo"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to undo."""

    number: int
    name: str
    """The fault, such as `process.pause`."""
    target: str
    role: Role
    undo: str
    """`package.module:function`, whose function carries the fault."""
    data: Mapping[str, Any]
    expires_mono_s: float
    """When its time-to-live is over, on this boot's monotonic clock."""
    state: Literal["intended", "injected", "undone"] = "intended"
    error: str = ""
    """Why the last attempt to undo it failed."""


class UndoLedger:
    """The ledger of one run; the runner, its reaper and `chaoslab undo` may all have it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.RLock()
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._depth = 0
        self._header: dict[str, Any] = {}
        self._found: dict[int, Entry] = {}
        self._read_bytes = 0

    @classmethod
    def create(cls, state: Path, *, run_id: str, folder: Path) -> "UndoLedger":
        """Begin the ledger of a run.

        Raises:
            OSError: the state folder cannot be written.
        """
        path = ledger_folder(state) / f"{run_id}.jsonl"
        unnamed = path.with_suffix(".new")  # it appears under its name only with its header in it
        os.close(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        ledger = cls(unnamed)
        ledger._append(
            {
                "kind": "opened",
                "version": VERSION,
                "run": run_id,
                "folder": str(folder),
                "runner": asdict(myself()),
            },
            sync=True,
        )
        unnamed.rename(path)
        ledger.path = path
        _sync_folder(path.parent)
        return ledger

    def intend(
        self, *, name: str, target: str, role: Role, undo: str, data: Mapping[str, Any], expires_mono_s: float
    ) -> Entry:
        """Write down what is about to be injected; when this returns, it is on the disk."""
        with self._thread_lock, self.exclusive():
            number = max((entry.number for entry in self.entries()), default=0) + 1
            entry = Entry(number, name, target, role, undo, dict(data), expires_mono_s)
            fields = asdict(entry)
            line = {"kind": "intended", **{key: fields[key] for key in fields if key not in {"state", "error"}}}
            self._append(line, sync=True)
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
        """Return all entries as they stand on the disk, oldest first.

        Raises:
            ChaoslabError: the ledger was written by another version.
        """
        self._catch_up()
        return list(self._found.values())

    def open_entries(self) -> list[Entry]:
        """Return what is still to undo, newest first."""
        return [entry for entry in reversed(self.entries()) if entry.state != "undone"]

    def header(self) -> dict[str, Any]:
        """Return the run's id, its folder and its runner."""
        self._catch_up()
        return self._header

    def runner(self) -> ProcessIdentity | None:
        """Return which process runs, or ran, the exercise."""
        runner = self.header().get("runner")
        return ProcessIdentity(**runner) if runner else None

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
            if not keep and not self.open_entries():
                self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

    def _append(self, line: dict[str, Any], *, sync: bool = False) -> None:
        """Write a line. Only an intent must survive a power failure: without the later lines it is undone once more."""
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        with self._thread_lock:
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                data = b"\n" + data  # the line before was torn by a crash; it was never acted on
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
            data = os.pread(self._file, size - self._read_bytes, self._read_bytes)
            whole = data[: data.rfind(b"\n") + 1]
            for line in whole.decode(errors="replace").split("\n"):
                self._take(line)
            self._read_bytes += len(whole)

    def _take(self, text: str) -> None:
        try:
            line = json.loads(text)
        except ValueError:
            return  # torn by a crash: a fault is injected only after its line is whole
        match line["kind"]:
            case "opened" if line["version"] != VERSION:
                found = f"version {line['version']} of the ledger"
                raise ChaoslabError(f"{self.path}: {found}, this chaoslab reads {VERSION}")
            case "opened":
                self._header = line
            case "intended":
                self._found[line["number"]] = Entry(**{key: line[key] for key in line if key != "kind"})
            case "injected":
                self._change(line, state="injected")
            case "undone":
                self._change(line, state="undone", error="")
            case "undo-failed":
                self._change(line, error=line["error"])

    def _change(self, line: dict[str, Any], **fields: Any) -> None:
        self._found[line["number"]] = replace(self._found[line["number"]], **fields)


def ledger_folder(state: Path) -> Path:
    """Return the folder of all ledgers."""
    return private_folder(state / "ledger")


def ledgers(state: Path) -> list[UndoLedger]:
    """Open every ledger that is there, oldest run first; the caller closes them."""
    return [UndoLedger(path) for path in sorted(ledger_folder(state).glob("*.jsonl"))]


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
