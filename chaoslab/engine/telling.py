"""Tell the events of a run to whoever draws them, in their order and in a thread of its own.

A slow terminal must not slow the run down, and a broken pipe must not keep a fault from being undone.
"""

import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

Event = Mapping[str, Any]
"""An event as the run log has it, or `reminder` {signal, open}: a signal that changes nothing, and what remains."""
Tell = Callable[[Event], None]
_GIVE_UP_AFTER_S = 2.0


def silent(event: Event) -> None:
    """Tell nobody."""


class Teller:
    """Takes events from any thread, also inside a signal handler, and tells them one by one."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.error: Exception | None = None
        """What whoever draws has raised last."""
        self._open: dict[int, str] = {}
        # SimpleQueue.put may be called by a signal handler while the same thread is inside put.
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="teller", daemon=True)
        self._thread.start()

    def take(self, event: Event) -> None:
        """Have an event told soon."""
        self._queue.put(event)

    def remind(self, signame: str) -> None:
        """Have a further signal answered with what remains to be undone."""
        self._queue.put({"kind": "reminder", "signal": signame})

    def close(self) -> None:
        """Return when all is told, or when whoever draws takes too long."""
        self._queue.put(None)
        self._thread.join(_GIVE_UP_AFTER_S)

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            self._keep_in_mind(event)
            if event["kind"] == "reminder":
                event = {**event, "open": list(self._open.values())}
            try:
                self._tell(event)
            except Exception as error:
                self.error = error

    def _keep_in_mind(self, event: Event) -> None:
        """Know what is open without asking the ledger, which is locked while something is being undone."""
        if event["kind"] == "fault-intended":
            self._open[event["entry"]] = f"{event['name']} on {event['target']}"
        elif event["kind"] == "fault-undone":
            self._open.pop(event["entry"], None)
