"""A prober that asks a Python function at a fixed rate: how far a consumer is behind, whether a standby follows.

As with the prober of addresses, an answer's latency counts from the instant at which the question was due, every slot
of the schedule gives exactly one sample, and missing evidence is never good evidence: bad are a no, an exception, an
answer that comes too late, and none at all. A slot that is due while an earlier question is still unanswered is told by
that answer, which comes after it.
"""

import threading
from collections.abc import Callable

from chaoslab.core.errors import one_line
from chaoslab.runtime.clock import Clock
from chaoslab.runtime.sampling import Sampler

_UNANSWERED = "no answer until the end"
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
        self._begin_s, self._slot = 0.0, 0
        self._taking = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"prober-{name}", daemon=True)

    def start(self) -> None:
        """Begin to ask; the first slot is when a first question, which does not count, is answered."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A function that hangs is left alone: its thread dies with the process."""
        self._over.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=self._timeout_s + _LAST_ANSWER_S)
            if self._thread.is_alive() and self._begin_s:
                self._take_due(_UNANSWERED)

    def _work(self) -> None:
        self._answer()  # does not count: it loads and connects what later questions find ready
        self._begin_s = self._clock.mono()
        while not self._over.wait(max(0.0, self._due_s() - self._clock.mono())):
            self._take_due(self._answer())

    def _due_s(self) -> float:
        return self._begin_s + self._slot * self._period_s

    def _take_due(self, note: str) -> None:
        """Take a sample for every slot that was due until now."""
        with self._taking:
            now_s = self._clock.mono()
            while (due_s := self._due_s()) <= now_s:
                latency_s = now_s - due_s
                told = note or ("too late" if latency_s > self._timeout_s else "")
                self._sampler.add(due_s - self._sampler.origin_mono_s, latency_s, not told, told)
                self._slot += 1
            self._sampler.settled_s = due_s - self._sampler.origin_mono_s

    def _answer(self) -> str:
        """Ask once; return what was wrong, or nothing."""
        try:
            return "" if self._ask() else "it said no"
        except Exception as error:
            return one_line(str(error)) or type(error).__name__
