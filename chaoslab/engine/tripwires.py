"""Tripwires: what is bad for long enough while the exercise runs stops it, and has its faults undone."""

import importlib
import threading
from collections.abc import Callable
from typing import Protocol

from chaoslab.core.extension import ProberTripwire, ProbeTripwire
from chaoslab.core.stalls import Stalls, at_best
from chaoslab.core.units import format_duration
from chaoslab.runtime.sampling import Sampler
from chaoslab.runtime.session import Session

_LONGEST_POLL_S = 0.5


class Sense(Protocol):
    """Says how long something has been bad."""

    def bad_for_s(self) -> float:
        """Return for how many seconds it has been bad without a break; 0 when it is good."""

    def in_doubt(self) -> bool:
        """Say whether what looked bad may not have been: who looked was held up."""


class ProberSense:
    """Looks at the samples of a prober."""

    def __init__(self, session: Session, sampler: Sampler) -> None:
        self._sampler = sampler
        self._last_good_s = session.now_s()

    def bad_for_s(self) -> float:
        """Return the time since the last good sample, if bad ones have come since; a prober that is silent is told
        by its objectives, not here."""
        samples = self._sampler.since(self._last_good_s)
        good = [sample.at_s for sample in samples if sample.good]
        self._last_good_s = max([self._last_good_s, *good])
        bad = [sample.at_s for sample in samples if not sample.good and sample.at_s > self._last_good_s]
        return max(bad) - self._last_good_s if bad else 0.0

    def in_doubt(self) -> bool:
        """Say whether most of what was bad may have been good but for the prober's own stalls."""
        stalls = Stalls(self._sampler.stalls)
        bad = [sample for sample in self._sampler.since(self._last_good_s) if not sample.good]
        return 2 * sum(at_best(sample, stalls).good for sample in bad) > len(bad)


class ProbeSense:
    """Asks a Python function; an exception is as bad as a no."""

    def __init__(self, session: Session, ask: Callable[[], object]) -> None:
        self._session = session
        self._ask = ask
        self._bad_since_s: float | None = None

    def bad_for_s(self) -> float:
        """Ask once and return the time since the first no in a row."""
        asked_s = self._session.now_s()
        try:
            good = bool(self._ask())
        except Exception:
            good = False
        if good:
            self._bad_since_s = None
            return 0.0
        self._bad_since_s = asked_s if self._bad_since_s is None else self._bad_since_s
        return self._session.now_s() - self._bad_since_s

    def in_doubt(self) -> bool:
        """Never: a function was asked, and said no."""
        return False


class TripwireWatcher:
    """Watches one tripwire in a thread of its own."""

    def __init__(self, session: Session, *, name: str, sense: Sense, bad_for_s: float, every_s: float) -> None:
        self._session = session
        self._name = name
        self._sense = sense
        self._limit_s = bad_for_s
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"tripwire-{name}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more. A probe that hangs is left alone: its thread dies with the process."""
        self._over.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            bad_s = self._sense.bad_for_s()
            if bad_s >= self._limit_s and not self._over.is_set():
                self._trip(bad_s)
                return

    def _trip(self, bad_s: float) -> None:
        reason = f"tripwire {self._name}"
        try:
            in_doubt = self._sense.in_doubt()
            held_up = "; the prober's own machine held it up, so it may have been well" if in_doubt else ""
            self._session.finding(
                "tripwire",
                severity="unknown" if in_doubt else "failure",
                where=self._name,
                message=f"it was bad for {format_duration(bad_s)}, so the run was stopped and undone{held_up}",
                expected=f"bad for less than {format_duration(self._limit_s)}",
                actual=format_duration(bad_s),
            )
        finally:
            self._session.abort(reason)


def watcher_of(session: Session, tripwire: ProberTripwire | ProbeTripwire) -> TripwireWatcher:
    """Return what watches a tripwire of a file whose `${names}` are already filled in."""
    if isinstance(tripwire, ProberTripwire):
        sense: Sense = ProberSense(session, session.sampler(tripwire.prober))
        every_s = min(_LONGEST_POLL_S, tripwire.bad_for / 10)
    else:
        function = getattr(importlib.import_module(tripwire.probe.module), tripwire.probe.func)
        arguments = tripwire.probe.arguments
        sense, every_s = ProbeSense(session, lambda: function(**arguments)), tripwire.every
    return TripwireWatcher(session, name=tripwire.name, sense=sense, bad_for_s=tripwire.bad_for, every_s=every_s)
