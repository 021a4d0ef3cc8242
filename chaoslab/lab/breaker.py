"""A circuit breaker: what is away or slow is left alone for a while, so that not every request waits to find out.

closed     every call goes through; several bad ones in a row open it
open       every call is shed at once
half_open  one call tries, the others are shed; it closes or opens again
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Literal

from chaoslab.runtime.clock import CLOCK

OPEN_S = 0.3
State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = ("closed", "open", "half_open")


class Unavailable(Exception):
    """What is needed cannot be had at the moment."""


class Breaker:
    """Stands before one thing that may be away."""

    def __init__(
        self, name: str = "database", *, failures: int = 1, slow_s: float = math.inf, open_s: float = OPEN_S
    ) -> None:
        """Begin closed.

        Args:
            name: what it stands before, for people and metrics
            failures: how many bad calls in a row open it
            slow_s: a call that took longer is as bad as one that failed
            open_s: seconds for which it sheds all before it lets one try
        """
        self.name = name
        self.state: State = "closed"
        self.calls = {"successful": 0, "failed": 0, "slow": 0}
        self.shed = 0
        """Calls that were not let through."""
        self._failures, self._slow_s, self._open_s = failures, slow_s, open_s
        self._bad_in_a_row = 0
        self._open_until = 0.0
        self._lock = threading.Lock()

    def call[T](self, work: Callable[[], T]) -> T:
        """Do the work, unless it is to be left alone.

        Raises:
            Unavailable: the work raised it, or it is shed.
        """
        trial = self._enter()
        begun = CLOCK.mono()
        failed = False
        try:
            return work()
        except Unavailable:
            failed = True
            raise
        finally:
            self._leave(trial=trial, failed=failed, took_s=CLOCK.mono() - begun)

    def _enter(self) -> bool:
        """Let a call in, and say whether it is the one that tries."""
        with self._lock:
            if self.state == "closed":
                return False
            if self.state == "half_open" or CLOCK.mono() < self._open_until:
                self.shed += 1
                raise Unavailable(f"the {self.name} was away a moment ago: its circuit breaker is {self.state}")
            self.state = "half_open"
            return True

    def _leave(self, *, trial: bool, failed: bool, took_s: float) -> None:
        slow = not failed and took_s > self._slow_s
        with self._lock:
            self.calls["failed" if failed else "slow" if slow else "successful"] += 1
            if self.state != "closed" and not trial:
                return  # it began before the breaker opened, and tells nothing new
            self._bad_in_a_row = self._bad_in_a_row + 1 if failed or slow else 0
            if failed or slow:
                if trial or self._bad_in_a_row >= self._failures:
                    self.state, self._open_until = "open", CLOCK.mono() + self._open_s
            else:
                self.state = "closed"


class NoBreaker(Breaker):
    """Lets everything through, always: what a service has that has none."""

    def _enter(self) -> bool:
        return False

    def _leave(self, *, trial: bool, failed: bool, took_s: float) -> None:
        with self._lock:
            self.calls["failed" if failed else "successful"] += 1
