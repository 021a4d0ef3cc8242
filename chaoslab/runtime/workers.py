"""Do the same for many items, a few at the same time. What is expected to fail is caught by the work itself."""

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


class Workers[Item]:
    """A bounded number of threads that take one item after the other until none is left."""

    def __init__(self, items: Sequence[Item], work: Callable[[Item], None], *, workers: int) -> None:
        """Take what is to be done.

        Args:
            items: in the order in which they are begun
            work: done with each, in one of the threads; what it raises stops all
            workers: how many items are in work at the same time
        """
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        for item in items:
            self._items.put(item)
        self._work = work
        self._stopping = threading.Event()
        self._broken: BaseException | None = None
        names = [f"worker-{number}" for number in range(min(workers, len(items)))]
        self._threads = [threading.Thread(target=self._take, name=name, daemon=True) for name in names]

    def run(self, watch: Callable[[], None], *, release: Callable[[], None] = lambda: None) -> None:
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

    def _take(self) -> None:
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
