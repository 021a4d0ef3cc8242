"""Do the same for many databases with a bounded number of workers, the largest first; one that fails stops no other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from chaoslab.core.errors import Aborted
from chaoslab.runtime.clock import CLOCK

_POLL_S = 0.05
_PATIENCE_S = 10.0
"""For so long workers may go on after they were told to stop."""


class Stopped(Exception):
    """The work was told to stop."""


class Crew[Item]:
    """Workers that take one item after the other until none is left."""

    def __init__(self, items: Sequence[Item], work: Callable[[Item], None], *, workers: int) -> None:
        """Take the items in the order in which they are begun, and what is done with each."""
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        for item in items:
            self._items.put(item)
        self._work = work
        self._stopping = threading.Event()
        self._broken: BaseException | None = None
        names = [f"fleet-{number}" for number in range(min(workers, len(items)))]
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for name in names]

    def work(self, watch: Callable[[], None], *, release: Callable[[], None] = lambda: None) -> None:
        """Have it all done.

        Args:
            watch: called in this thread again and again; what it raises stops the work
            release: called then; it frees workers that wait for an answer

        Raises:
            BaseException: what `watch` raised, or what broke a worker.
        """
        for thread in self._threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in self._threads):
                watch()
                CLOCK.sleep(_POLL_S)
            watch()
        except BaseException:
            self._stopping.set()
            release()
            raise
        finally:
            until_s = CLOCK.mono() + _PATIENCE_S
            for thread in self._threads:
                thread.join(max(0.0, until_s - CLOCK.mono()))
        if self._broken is not None:
            raise self._broken

    def check(self) -> None:
        """Return at once, unless the work is to stop: for the workers to call again and again.

        Raises:
            Stopped: it is.
        """
        if self._stopping.is_set():
            raise Stopped

    def _run(self) -> None:
        with suppress(queue.Empty, Stopped, Aborted):
            while not self._stopping.is_set():
                item = self._items.get_nowait()
                try:
                    self._work(item)
                except (Stopped, Aborted):
                    raise
                except BaseException as broken:
                    if not self._stopping.is_set():
                        self._broken = self._broken or broken
                        self._stopping.set()
