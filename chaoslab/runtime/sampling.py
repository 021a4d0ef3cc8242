"""Samples of a service: kept for the steps that judge them during the run, and written to the run log in batches."""

import threading
from collections import deque
from contextlib import suppress

from chaoslab.core.samples import Sample, Stall
from chaoslab.runtime.runlog import RunLog

_BATCH_S = 1.0
_KEPT = 200_000
"""Samples held in memory: half an hour at 100 a second; the run log has them all."""
_STALLS_KEPT = 10_000


class Sampler:
    """Takes the samples of one prober."""

    def __init__(self, name: str, log: RunLog) -> None:
        self.name = name
        self._log = log
        self._lock = threading.Lock()
        self._kept: deque[Sample] = deque(maxlen=_KEPT)
        self._unwritten: list[Sample] = []
        self._stalls: list[Stall] = []
        self._known_stalls: deque[Stall] = deque(maxlen=_STALLS_KEPT)
        self._written_s = log.now_s()
        self.settled_s = 0.0
        """Every sample that was due before this second of the run is in: what is still awaited was due later."""
        self.horizon_s = 0.0
        """Steps that ask how a service is do not look back behind this second: a fault ended then, or its effect."""

    @property
    def origin_mono_s(self) -> float:
        """The monotonic instant that is second 0 of the run."""
        return self._log.origin_mono_s

    def add(self, at_s: float, latency_s: float, good: bool, note: str = "") -> None:
        """Take a sample; once a second the collected ones go to the run log."""
        sample = Sample(round(at_s, 6), round(latency_s, 6), good, note)
        with self._lock:
            self._kept.append(sample)
            self._unwritten.append(sample)
            due = self._log.now_s() - self._written_s >= _BATCH_S
        if due:
            with suppress(OSError):  # they are kept, and the end of the run says so if they still cannot be written
                self.flush()

    def stalled(self, begin_s: float, end_s: float) -> None:
        """Take note that the prober itself stood still from one second of the run to another."""
        with self._lock:
            self._stalls.append(Stall(round(begin_s, 6), round(end_s, 6)))
            self._known_stalls.append(self._stalls[-1])

    @property
    def stalls(self) -> list[Stall]:
        """When the prober itself stood still, as far back as steps look."""
        with self._lock:
            return list(self._known_stalls)

    def flush(self) -> None:
        """Write what is not yet written.

        Raises:
            OSError: the run log cannot grow; nothing is lost, the next call tries again.
        """
        with self._lock:
            batch, self._unwritten = self._unwritten, []
            stalls, self._stalls = self._stalls, []
            self._written_s = self._log.now_s()
        try:
            if stalls:
                self._log.append("stalls", prober=self.name, batch=[list(stall) for stall in stalls])
                stalls = []
            if batch:
                self._log.append("samples", prober=self.name, batch=[list(sample) for sample in batch])
        except OSError:
            with self._lock:
                self._unwritten, self._stalls = batch + self._unwritten, stalls + self._stalls
            raise

    def since(self, at_s: float) -> list[Sample]:
        """Return the samples that were due at or after an instant of the run, in seconds."""
        found = []
        with self._lock:
            # They come in as they are answered: what was answered before the instant was due before it, too.
            for sample in reversed(self._kept):
                if sample.at_s + sample.latency_s < at_s:
                    break
                if sample.at_s >= at_s:
                    found.append(sample)
        return found[::-1]

    def first(self) -> Sample | None:
        """Return the oldest sample."""
        with self._lock:
            return self._kept[0] if self._kept else None

    def last(self) -> Sample | None:
        """Return the newest sample."""
        with self._lock:
            return self._kept[-1] if self._kept else None
