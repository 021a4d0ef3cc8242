"""Undo faults the moment the run is to stop: the engine itself first waits for its background activities."""

import threading
from contextlib import suppress
from queue import SimpleQueue

from chaoslab.runtime.session import Session

_JOIN_S = 0.1
"""Python answers a signal between two waits, and one that comes in the instant before a wait begins only after it. If
that wait were for the whole undo, somebody who presses Ctrl-C again would be left without an answer."""


class Undoer:
    """Waits in a thread of its own for the run to be stopped.

    A signal handler may do no more than `soon`: the locks of run log and ledger may be held by the very thread
    that it interrupts.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stops: SimpleQueue[str] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="undoer", daemon=True)

    def start(self) -> None:
        """Begin to wait; a second call does nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def soon(self, reason: str) -> None:
        """Have the run marked as interrupted and its faults undone."""
        self._stops.put(reason)

    def wait(self) -> None:
        """Return when nothing is being undone any more, and wait for no further stop."""
        self._stops.put("")
        while self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _work(self) -> None:
        if not (reason := self._stops.get()):
            return
        with suppress(OSError):
            self._session.log.append("interrupted", durable=True, reason=reason)
        self._session.abort(reason)
        with suppress(OSError):
            self._session.undo(lambda entry: entry.role == "fault")
