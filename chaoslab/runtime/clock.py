"""Time and chance enter here, and nowhere else.

Durations come from the monotonic clock, which no operator and no NTP step can turn back; the wall clock
only labels events for people. CLOCK_MONOTONIC is one for all processes of a boot, so the reaper can
compare its instants with those of the runner. It stands still while the machine sleeps, as everything does that is
measured; only a time-to-live goes on meanwhile, on CLOCK_BOOTTIME, because what a fault hit may be awake elsewhere.
"""

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tell the time and wait."""

    def mono(self) -> float:
        """Return monotonic seconds; only differences mean anything."""

    def boot(self) -> float:
        """Return the seconds since the machine was started, those included in which it slept."""

    def wall(self) -> datetime:
        """Return the wall time in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""


class SystemClock:
    """The machine's clocks."""

    def mono(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def boot(self) -> float:
        """Return CLOCK_BOOTTIME in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds; a past instant is no wait."""
        if seconds > 0:
            time.sleep(seconds)


CLOCK = SystemClock()
"""For code outside a run, such as the lab's, and for deadlines of programs: nobody simulates these."""


class SimulatedClock:
    """A clock for tests: sleeping moves it, and its wall time can be stepped."""

    def __init__(self, *, mono: float = 1000.0, wall: datetime | None = None) -> None:
        self._mono = mono
        self._wall = wall or datetime(2026, 1, 1, tzinfo=UTC)
        self._asleep_s = 0.0
        self._lock = threading.Lock()

    def mono(self) -> float:
        """Return the simulated monotonic seconds."""
        return self._mono

    def boot(self) -> float:
        """Return the same seconds: a simulated machine sleeps only when it is told to."""
        return self._mono + self._asleep_s

    def wall(self) -> datetime:
        """Return the simulated wall time."""
        return self._wall

    def sleep(self, seconds: float) -> None:
        """Move both clocks forward without waiting."""
        with self._lock:
            self._mono += max(0.0, seconds)
            self._wall += timedelta(seconds=max(0.0, seconds))

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep, as when a lid is closed."""
        self._asleep_s += seconds
        self._wall += timedelta(seconds=seconds)

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as an operator or NTP does."""
        self._wall += timedelta(seconds=seconds)


def stamp(instant: datetime) -> str:
    """Return a UTC instant as `2026-01-31T23:59:59.123456Z`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def seeded(seed: int) -> random.Random:
    """Return the source of chance for a run: the same seed makes the same choices."""
    return random.Random(seed)  # noqa: S311 - choices of targets, not secrets
