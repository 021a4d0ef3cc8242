"""An open-loop prober: it asks at fixed instants, whether or not the last question was answered.

Latency counts from the instant at which a question was *due*, so that a stall is charged with all who would have waited
in it (no coordinated omission). Every slot of the schedule gives exactly one sample, in the end: also a slot in which
nothing could be sent, because the prober itself was held up, is a bad one. Missing evidence is never good evidence.
When the prober itself stood still it says so: a timer in the thread that asks fires every few milliseconds, and where
it was late neither the asking nor the reading was in time.
"""

import asyncio
import math
import sys
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.core.stalls import HELD_UP
from chaoslab.http.exchange import Exchange
from chaoslab.http.workload import Question, Wanted, Workload
from chaoslab.runtime.clock import Clock, SystemClock
from chaoslab.runtime.sampling import Sampler

FASTEST_HZ = 1000.0
MAX_IN_FLIGHT = 256
LATE_S = 0.1
"""A slot that could not be served for so long is a gap of the prober."""
BEAT_S = 0.01
STALL_S = 0.02
"""The timer's beats are this far apart, or more: the prober stood still. Less is what any busy machine does."""
_HAND_OVER_S = 0.02
_READY_WITHIN_S = 60.0
_SWITCH_S = 0.0005
"""How long other threads of this process may compute before the asking thread gets its turn; Python's default of 5 ms,
several times for each question, would be measured as the service's latency."""


class _Taken(NamedTuple):
    """A sample on its way to the sampler, with instants of the clock."""

    due_mono_s: float
    latency_s: float
    note: str
    settled_mono_s: float
    """All slots that were due before this instant have their sample."""


class Prober:
    """Asks one address, or a mix, at a fixed rate from a thread of its own, on new connections as new clients do."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        sampler: Sampler,
        rate_hz: float = 20.0,
        timeout_s: float = 1.0,
        expect: Collection[int] = (200,),
        method: str = "GET",
        requests: Sequence[Wanted] = (),
        clock: Clock | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            name: by which probes and objectives mean it
            url: `http://` or `https://` address
            sampler: takes the samples
            rate_hz: questions per second, at most 1000
            timeout_s: seconds from the due instant after which an answer counts no more
            expect: the statuses of a good answer; redirects are not followed
            method: of the request
            requests: a mix to ask instead of the one address
            clock: of the run
            max_in_flight: questions that may wait for an answer; a slot beyond that is bad without being sent

        Raises:
            BadUsage: the address or a number makes no sense.
        """
        check_pace(name, rate_hz, timeout_s)
        self.name = name
        self._workload = Workload(requests or [Wanted(url, method, expect=expect)])
        self._sampler = sampler
        self._rate_hz, self._timeout_s, self._max_in_flight = rate_hz, timeout_s, max_in_flight
        self._clock = clock or SystemClock()
        self._taken: SimpleQueue[_Taken] = SimpleQueue()
        self._stalls: SimpleQueue[tuple[float, float]] = SimpleQueue()
        self._beat_mono_s = 0.0
        self._in_flight: dict[float, Exchange] = {}  # by the instant at which they were due, the oldest first
        self._connected: set[asyncio.Task[None]] = set()
        self._begin_mono_s, self._end_mono_s, self._slot = 0.0, math.inf, 0
        self._ready, self._over = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to ask; the first slot is now.

        Raises:
            ChaoslabError: its thread does not start.
        """
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_S))
        for work in (self._ask, self._hand_over):
            thread = threading.Thread(target=work, name=f"{work.__name__}-{self.name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        if not self._ready.wait(_READY_WITHIN_S):
            raise ChaoslabError(f"prober {self.name} did not start within {_READY_WITHIN_S:g} s")

    def stop(self) -> None:
        """Ask no more, wait for the answers that are under way, and hand over all samples.

        Dropping what is under way would drop the slowest answers, which are the worst. A second call does nothing.
        """
        if math.isinf(self._end_mono_s) and self._ready.is_set():
            self._end_mono_s = self._clock.mono()
            for thread in self._threads:
                thread.join()

    # In the asking thread.

    def _ask(self) -> None:
        try:
            asyncio.run(self._ask_until_stopped())
        finally:
            self._over.set()

    async def _ask_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        self._begin_mono_s = self._beat_mono_s = self._clock.mono()
        self._tick(loop)
        self._beat(loop)
        self._ready.set()
        while self._in_flight or self._due_mono_s() < self._end_mono_s:
            await asyncio.sleep(_HAND_OVER_S)
        self._beat(loop)
        for task in self._connected:
            task.cancel()
        if self._connected:
            await asyncio.wait(self._connected)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve every slot that is due, and come back for the next one."""
        while (late_s := self._clock.mono() - self._due_mono_s()) >= 0:
            due_mono_s = self._due_mono_s()
            if due_mono_s >= self._end_mono_s:  # not sooner: what was due before the end and not served was held up
                return
            self._slot += 1
            if late_s > LATE_S:
                self._take(due_mono_s, HELD_UP)
            elif len(self._in_flight) >= self._max_in_flight:
                self._take(due_mono_s, f"not sent: {self._max_in_flight} unanswered")
            else:
                self._send(self._workload.next(), due_mono_s, late_s)
        loop.call_later(-late_s, self._tick, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say that this thread runs, and that it did not when the last beat is too long ago."""
        last_mono_s, self._beat_mono_s = self._beat_mono_s, self._clock.mono()
        if self._beat_mono_s - last_mono_s >= STALL_S:
            self._stalls.put((last_mono_s, self._beat_mono_s))
        loop.call_later(BEAT_S, self._beat, loop)

    def _due_mono_s(self) -> float:
        return self._begin_mono_s + self._slot / self._rate_hz

    def _send(self, question: Question, due_mono_s: float, late_s: float) -> None:
        def end(status: int, error: str) -> None:
            del self._in_flight[due_mono_s]
            note = error or ("" if status in question.expect else str(status))
            self._take(due_mono_s, f"{note} of {question.of}" if note and question.of else note)

        exchange = Exchange(question.request, timeout_s=self._timeout_s - late_s, on_end=end)
        self._in_flight[due_mono_s] = exchange
        self._connected.add(exchange.task)
        exchange.task.add_done_callback(self._connected.discard)

    def _take(self, due_mono_s: float, note: str) -> None:
        """Take a sample, which is good when there is nothing to note."""
        latency_s = self._clock.mono() - due_mono_s
        settled_mono_s = next(iter(self._in_flight), self._due_mono_s())
        self._taken.put(_Taken(due_mono_s, latency_s, note, settled_mono_s))

    # In a thread beside it, because the run log may wait for the disk.

    def _hand_over(self) -> None:
        while not self._over.wait(_HAND_OVER_S):
            self._hand_over_all()
        self._hand_over_all()

    def _hand_over_all(self) -> None:
        origin_mono_s = self._sampler.origin_mono_s
        with suppress(Empty):
            while True:
                begin_mono_s, end_mono_s = self._stalls.get_nowait()
                self._sampler.stalled(begin_mono_s - origin_mono_s, end_mono_s - origin_mono_s)
        with suppress(Empty):
            while True:
                taken = self._taken.get_nowait()
                self._sampler.add(taken.due_mono_s - origin_mono_s, taken.latency_s, not taken.note, taken.note)
                self._sampler.settled_s = taken.settled_mono_s - origin_mono_s


def check_pace(name: str, rate_hz: float, timeout_s: float) -> None:
    """Check the numbers of a prober.

    Args:
        name: of the prober
        rate_hz: questions per second
        timeout_s: seconds after which an answer counts no more

    Raises:
        BadUsage: one makes no sense.
    """
    if not 0 < rate_hz <= FASTEST_HZ:
        raise BadUsage(f"prober {name}: rate_hz must be above 0 and at most {FASTEST_HZ:g}")
    if timeout_s <= 0:
        raise BadUsage(f"prober {name}: timeout must be longer than zero")
