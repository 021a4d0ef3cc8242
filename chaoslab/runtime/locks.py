"""One run per target: a second run on the same target is refused.

The holder is written into the lock's file by pid and start time, so that the lock of a dead run is known to
be stale, even when its pid has been given to another process.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.runtime.filelock import flock_within
from chaoslab.runtime.identity import ProcessIdentity, myself
from chaoslab.runtime.places import private_folder

_WITHIN_S = 5.0


class TargetLock:
    """Holds a target for one run."""

    def __init__(self, state: Path, target: str) -> None:
        self.target = target
        digest = hashlib.sha256(target.encode()).hexdigest()[:24]
        self._path = private_folder(state / "locks") / f"{digest}.json"

    def acquire(self, run_id: str) -> None:
        """Take the target.

        Raises:
            Refused: a run that is alive holds it.
        """
        with self._file() as file:
            holder = _holder(file)
            if holder and holder["run"] != run_id and _identity(holder).is_alive():
                raise Refused(
                    "lock",
                    f"run {holder['run']} (pid {holder['pid']}) is working on {self.target}; wait for it to end",
                )
            _replace(file, {"run": run_id, "target": self.target, **asdict(myself())})

    def release(self, run_id: str) -> None:
        """Give the target back, if this run holds it; a state folder that is gone or full holds nobody up."""
        with suppress(OSError, Refused), self._file() as file:
            holder = _holder(file)
            if holder and holder["run"] == run_id:
                _replace(file, {})

    def holder(self) -> str | None:
        """Return the id of the live run that holds the target."""
        with self._file() as file:
            holder = _holder(file)
        return str(holder["run"]) if holder and _identity(holder).is_alive() else None

    @contextmanager
    def _file(self) -> Iterator[int]:
        """Open the lock's file alone; it is never removed, so that two openers always meet in one file."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not flock_within(file, _WITHIN_S):
                raise Refused(
                    "lock", f"the lock of {self.target} is held up by a process that does not go on: {self._path}"
                )
            yield file
        finally:
            os.close(file)


def _holder(file: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(file, 1 << 16, 0) or b"{}")
    except ValueError:
        return {}  # torn by a crash: nobody holds it
    return found if isinstance(found, dict) and {"run", "pid", "started", "boot"} <= found.keys() else {}


def _identity(holder: dict[str, Any]) -> ProcessIdentity:
    return ProcessIdentity(int(holder["pid"]), int(holder["started"]), str(holder["boot"]))


def _replace(file: int, holder: dict[str, Any]) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(holder).encode() if holder else b"", 0)
    os.fsync(file)
