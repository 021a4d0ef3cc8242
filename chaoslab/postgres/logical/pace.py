"""Bound how fast pg_dump works: it has no such option, so it is stopped for a moment whenever it is ahead.

A stopped pg_dump reads nothing, so the server's COPY waits for it: the source is read no faster than the bound. It is
stopped and continued as a whole group of processes, in any format and with any number of jobs.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chaoslab.postgres.programs.tools import Running
from chaoslab.runtime.clock import CLOCK

_BURST_S = 0.25
"""For so long pg_dump may be ahead: what it writes comes in pieces."""


class Pace:
    """One bound for all dumps that share it."""

    def __init__(self, bytes_per_s: float) -> None:
        """Take the bound on what all of them write together, in bytes a second."""
        self._rate = bytes_per_s
        self._lock = threading.Lock()
        self._free_at_s = 0.0
        """When what was written so far would have been written at the bound."""

    def written(self, count: int) -> bool:
        """Count bytes and say whether whoever wrote them has to wait."""
        with self._lock:
            now_s = CLOCK.mono()
            self._free_at_s = max(self._free_at_s, now_s - _BURST_S) + count / self._rate
            return self._free_at_s > now_s

    def watching(self, program: Running, path: Path, watch: Callable[[], None]) -> Callable[[], None]:
        """Return what is called while a dump is written: it stops and continues its program.

        Args:
            program: pg_dump
            path: the file or folder that it writes
            watch: called too
        """
        seen, stopped = 0, False

        def paced() -> None:
            nonlocal seen, stopped
            watch()
            size = size_of(path)
            ahead = self.written(max(0, size - seen))
            seen = max(seen, size)
            if ahead != stopped:
                stopped = ahead
                with suppress(ProcessLookupError):  # it has ended by itself a moment ago
                    os.killpg(program.process.pid, signal.SIGSTOP if ahead else signal.SIGCONT)

        return paced


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder; 0 when it is not there yet."""
    try:
        if path.is_dir():
            return sum(entry.stat().st_size for entry in os.scandir(path))
        return path.stat().st_size
    except FileNotFoundError:
        return 0
