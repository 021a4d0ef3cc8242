"""A prober that asks a Python function at a fixed rate: how far a consumer is behind, whether a standby follows.

As with the prober of addresses, an answer's latency counts from the instant at which the question was due, every slot
of the schedule gives exactly one sample, and missing evidence is never good evidence: bad are a no, an exception, an
answer that comes too late, and a slot that passed while an earlier question was still unanswered.
"""

import threading
from collections.abc import Callable

from chaoslab.core.errors import one_line
from chaoslab.runtime.clock import Clock
from chaoslab.runtime.sampling import Sampler

_HELD_UP = "not asked: the last question was unanswered"
_LAST_ANSWER_S = 5.0


class AskingProber:
    """Asks from a thread of its own, one question after the other."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], object],
        *,
        sampler: Sampler,
        rate_hz: float,
        timeout_s: float,
        clock: Clock,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            name: by which probes and objectives mean it
            ask: says yes when all is well
            sampler: takes the samples
            rate_hz: questions per second
            timeout_s: seconds after which a yes counts no more
            clock: of the run
        """
        self._ask = ask
        self._sampler = sampler
        self._period_s = 1 / rate_hz
        self._timeout_s = timeout_s
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"prober-{name}", daemon=True)

    def start(self) -> None:
        """Begin to ask; the first slot is now."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A function that hangs is left alone: its thread dies with the process."""
        self._over.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=self._timeout_s + _LAST_ANSWER_S)

    def _work(self) -> None:
        begin_s, slot = self._clock.mono(), 0
        while not self._over.is_set():
            due_s = begin_s + slot * self._period_s
            if self._over.wait(max(0.0, due_s - self._clock.mono())):
                return
            note = self._answer()
            latency_s = self._clock.mono() - due_s
            self._take(due_s, latency_s, note or ("too late" if latency_s > self._timeout_s else ""))
            slot += 1
            while begin_s + (slot + 1) * self._period_s <= self._clock.mono():
                missed_s = begin_s + slot * self._period_s
                self._take(missed_s, self._clock.mono() - missed_s, _HELD_UP)
                slot += 1
            self._sampler.settled_s = begin_s + slot * self._period_s - self._sampler.origin_mono_s

    def _answer(self) -> str:
        """Ask once; return what was wrong, or nothing."""
        try:
            return "" if self._ask() else "it said no"
        except Exception as error:
            return one_line(str(error)) or type(error).__name__

    def _take(self, due_s: float, latency_s: float, note: str) -> None:
        self._sampler.add(due_s - self._sampler.origin_mono_s, latency_s, not note, note)
