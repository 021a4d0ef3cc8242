"""Signals: the first one stops the run and has it undone; the next ones are answered and change nothing."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
"""SIGUSR2 asks Chaos Toolkit to leave without rollbacks; nothing leaves without its undo here."""
_FROM_A_THREAD = signal.SIGUSR1


class Stop(KeyboardInterrupt):
    """Raised in the main thread to end the run.

    Chaos Toolkit treats it as Ctrl-C, and no `except Exception` of an activity, a control or an event handler
    can swallow it, as it could an InterruptExecution.
    """


class Stopper:
    """Turns signals, and requests of other threads, into one `Stop`."""

    def __init__(self, *, on_stop: Callable[[str], None], on_again: Callable[[str], None]) -> None:
        """Take what to do at the first request and at further signals; both are called inside a signal handler."""
        self.reason = ""
        """What stopped the run: `SIGINT`, `tripwire NAME` ...; '' as long as nothing has."""
        self._on_stop = on_stop
        self._on_again = on_again
        self._requested = ""
        self._shielded = False
        self._held = False
        self._due = False
        self._in_place = False
        self._before: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Take the signals over; again, when the engine has put handlers of its own. Main thread only."""
        self._in_place = True
        for number in (*_ASKED, _FROM_A_THREAD):
            before = signal.signal(number, self._received)
            if before != self._received:
                self._before.setdefault(number, before)

    def restore(self) -> None:
        """Put back the handlers that were there before; again, when the engine has put ours back meanwhile."""
        self._in_place = False
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)

    def shield(self) -> None:
        """From now on the run is being undone: signals are answered, and nothing more."""
        self._shielded = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the block be done whole: a stop is heard at once, and raised at the block's end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._due:
            self._due = False
            raise Stop(self.reason)

    def stop(self, reason: str) -> None:
        """Stop the run; any thread may ask, and the first reason counts."""
        if self.reason or self._requested or not self._in_place:
            return
        self._requested = reason
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, _FROM_A_THREAD)

    def _received(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.reason or self._shielded:
            if number != _FROM_A_THREAD:
                self._on_again(name)
            return
        self.reason = (self._requested or name) if number == _FROM_A_THREAD else name
        self._on_stop(self.reason)
        if self._held:
            self._due = True
            return
        raise Stop(self.reason)
