"""Watch a stand-in as its service would, from before the disaster until somebody would have been called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

EVERY_S = 0.1


class DetectionWatch:
    """A thread that asks the stand-in the same question on a schedule, until it shows the disaster."""

    def __init__(
        self,
        look: Callable[[], tuple[bool, str]],
        *,
        now_s: Callable[[], float],
        add: Callable[[float, float, bool, str], None],
        noticed: Callable[[float], None],
        every_s: float = EVERY_S,
    ) -> None:
        """Take the question, the clock and the sinks.

        Args:
            look: says whether the disaster shows, and what was answered
            now_s: seconds of the run
            add: takes a sample: due at, latency, good, note
            noticed: called once, with the instant of the first answer that shows the disaster
            every_s: seconds between two questions
        """
        self._look, self._now_s, self._add, self._noticed = look, now_s, add, noticed
        self._every_s = every_s
        self._armed = threading.Event()
        self._stopped = threading.Event()
        self.saw = threading.Event()
        """Set when the disaster was noticed."""
        self._thread = threading.Thread(target=self._run, name="detection-watch", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def arm(self) -> None:
        """Say that the disaster may come from now on: what was answered before does not count as noticing."""
        self._armed.set()

    def stop(self) -> None:
        """Ask no more; returns when the thread has ended."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        with suppress(OSError, ValueError):  # the run's log is closed: the run was cut off
            while not self._stopped.is_set() and not self.saw.is_set():
                due_s = self._now_s()
                shows, answer = self._look()
                answered_s = self._now_s()
                if self._stopped.is_set():
                    return
                self._add(due_s, answered_s - due_s, answer == "yes", "" if answer == "yes" else answer)
                if shows and self._armed.is_set():
                    self.saw.set()
                    self._noticed(answered_s)
                self._stopped.wait(max(0.0, due_s + self._every_s - answered_s))
