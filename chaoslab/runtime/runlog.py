"""The run log: everything that happened, one JSON object a line, from which alone the record is rebuilt.

The runner and its reaper may both append, so each line is one write under a lock of the file, and the
sequence goes on from whatever the other has written.
"""

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaoslab.runtime.clock import CLOCK, Clock, stamp
from chaoslab.runtime.filelock import flock_within
from chaoslab.runtime.secrets import Secrets

NAME = "events.jsonl"
_TAIL_BYTES = 1 << 16
_LOCK_WITHIN_S = 2.0


class RunLog:
    """Appends the events of one run to its file."""

    def __init__(self, path: Path, *, clock: Clock, secrets: Secrets, origin_mono_s: float) -> None:
        self.path = path
        self.origin_mono_s = origin_mono_s
        """The monotonic instant that is second 0 of the run."""
        self.listener: Callable[[Mapping[str, Any]], None] = lambda event: None
        """Hears every event of this process once it is written, in the thread that wrote it."""
        self._clock = clock
        self._secrets = secrets
        self._thread_lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._size = -1
        self._seq = 0

    @classmethod
    def create(cls, path: Path, *, clock: Clock, secrets: Secrets) -> "RunLog":
        """Begin the log of a run that starts now."""
        return cls(path, clock=clock, secrets=secrets, origin_mono_s=clock.mono())

    @classmethod
    @contextmanager
    def of_run(cls, folder: str) -> "Iterator[RunLog | None]":
        """Go on with a run's log while this is held; a run folder that is gone or full must not keep a fault alive."""
        path = Path(folder) / NAME
        try:
            log = cls.reopen(path, clock=CLOCK, secrets=Secrets()) if folder and path.exists() else None
        except (OSError, ValueError, TypeError, KeyError):  # not there, not ours to write, or not a run log any more
            log = None
        try:
            yield log
        finally:
            if log:
                log.close()

    @classmethod
    def reopen(cls, path: Path, *, clock: Clock, secrets: Secrets) -> "RunLog":
        """Go on with the log of a run that another process began."""
        first = next((e for e in read_events(path) if e["kind"] == "run-started"), None)
        origin = float(first["origin_mono"]) if first else clock.mono()
        return cls(path, clock=clock, secrets=secrets, origin_mono_s=origin)

    def now_s(self) -> float:
        """Return the seconds since the run began."""
        return self._clock.mono() - self.origin_mono_s

    def append(self, kind: str, *, durable: bool = False, **fields: Any) -> None:
        """Write one event; with `durable`, return only when it is on the disk.

        Raises:
            OSError: the folder cannot be written.
        """
        with self._thread_lock:
            event: dict[str, Any] = {"seq": 0, "at": stamp(self._clock.wall()), "mono_s": round(self.now_s(), 6)}
            event |= {"kind": kind, **self._secrets.redact_json(fields)}  # of now, however long the lock takes
            with self._locked():
                torn = self._catch_up()
                self._seq += 1
                event["seq"] = self._seq
                text = ("\n" if torn else "") + json.dumps(event, ensure_ascii=False) + "\n"
                _write_all(self._file, text.encode())
                if durable:
                    os.fsync(self._file)
                self._size = os.fstat(self._file).st_size
        self.listener(event)

    def tell(self, kind: str, **fields: Any) -> None:
        """Let the listener hear what is of the moment only, and write nothing."""
        self.listener({"mono_s": round(self.now_s(), 6), "kind": kind, **self._secrets.redact_json(fields)})

    def close(self) -> None:
        """Flush to the disk and close; a second call does nothing."""
        with self._thread_lock:
            if self._file >= 0:
                os.fsync(self._file)
                os.close(self._file)
                self._file = -1

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep the other writer out. One that was stopped while it held the lock is not waited for for ever: a reaper
        must get on with undoing, and a line is appended in one write in any case."""
        owned = flock_within(self._file, _LOCK_WITHIN_S)
        try:
            yield
        finally:
            if owned:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self) -> bool:
        """Take over the sequence when somebody else has written; say whether the last line is torn."""
        size = os.fstat(self._file).st_size
        if size == self._size or size == 0:
            return False
        tail = os.pread(self._file, min(size, _TAIL_BYTES), max(0, size - _TAIL_BYTES))
        numbers = [
            event["seq"]
            for event in _parse(tail.decode(errors="replace").split("\n"))
            if isinstance(event.get("seq"), int)
        ]
        self._seq = max([self._seq, *numbers])
        return not tail.endswith(b"\n")


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a run log in order; a line torn by a crash is left out.

    Raises:
        OSError: the file cannot be read.
    """
    return list(each_event(path))


def each_event(path: Path) -> Iterator[dict[str, Any]]:
    """Give the events of a run log one after the other: a long one with many samples is larger than need be in memory.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        yield from _parse(lines)


def _parse(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "kind" in event:
            yield event


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
