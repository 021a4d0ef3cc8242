"""How far the fleet is: bytes done of bytes to do, over all databases, for whoever watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from chaoslab.core.errors import ChaoslabError
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.session import Session

_EVERY_S = 1.0


class Tracking:
    """Counts what is done and asks now and then how far those are that are at work."""

    def __init__(self, session: Session, what: str, total_bytes: int) -> None:
        """Take whom to tell, what is done (`dump`, `recover`), and how many bytes there are to do."""
        self._session = session
        self._what = what
        self._total = total_bytes
        self._done = 0
        self._working: dict[str, tuple[int, Callable[[], float]]] = {}
        self._lock = threading.Lock()
        self._told_s = 0.0
        self._high = 0.0

    def begin(self, name: str, weight: int, share: Callable[[], float]) -> None:
        """Say that work on a database begins.

        Args:
            name: the database
            weight: the bytes that it counts for
            share: says how much of it is done, from 0 to 1
        """
        with self._lock:
            self._working[name] = (weight, share)

    def end(self, name: str) -> None:
        """Say that work on a database is over, however it ended."""
        with self._lock:
            weight, _ = self._working.pop(name, (0, float))
            self._done += weight

    def tell(self) -> None:
        """Tell how far it is, at most once a second."""
        if CLOCK.mono() - self._told_s < _EVERY_S:
            return
        self._told_s = CLOCK.mono()
        with self._lock:
            working, done = dict(self._working), float(self._done)
        for weight, share in working.values():
            with suppress(ChaoslabError, OSError):  # whatever is wrong is told by the work itself
                done += weight * min(1.0, max(0.0, share()))
        self._high = max(self._high, min(done, self._total))  # it never goes back
        self._session.progress(self._what, self._high, self._total, "bytes", ", ".join(sorted(working)))
