"""When a prober itself stood still, and how well the service may have done meanwhile.

A prober whose machine gives it no processor asks late, and reads an answer that has long arrived late. Its samples then
say more about its own machine than about the service. So it keeps a clock: a timer that fires every few milliseconds.
Where it was late the prober stood still, and what happened between two of its beats nobody can say. The judge holds
each sample against that: an objective that the service may have met but for the prober's stalls is not missed, it is
unknown. It is never met by that, either.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from chaoslab.core.record import Finding, Record
from chaoslab.core.samples import Sample, Samples, Stall
from chaoslab.core.units import format_duration

CODE = "prober-stalled"
HELD_UP = "not sent: the prober was held up"
"""What a sample says for which the prober came too late to ask."""
TIMEOUT = "timeout"
"""What a sample says to which no answer came in time."""
SHARE_IN_DOUBT = 0.1
"""A question that timed out while the prober stood still for this share of its time or more was not given its time."""
WORTH_TELLING_S = 0.1


class Stalls:
    """The stalls of one prober, for the question how much of a while they took."""

    def __init__(self, stalls: Iterable[Stall]) -> None:
        """Take them in any order; those that overlap count once."""
        joined: list[Stall] = []
        for begin_s, end_s in sorted(stalls):
            if joined and begin_s <= joined[-1].end_s:
                joined[-1] = Stall(joined[-1].begin_s, max(joined[-1].end_s, end_s))
            else:
                joined.append(Stall(begin_s, end_s))
        self._begins, self._ends = [stall.begin_s for stall in joined], [stall.end_s for stall in joined]
        self._until = [0.0, *accumulate(stall.length_s for stall in joined)]

    def within(self, begin_s: float, end_s: float) -> float:
        """Return how many seconds between two instants the prober stood still."""
        first, last = bisect_right(self._ends, begin_s), bisect_left(self._begins, end_s)
        if first >= last or end_s <= begin_s:
            return 0.0
        all_of_them = self._until[last] - self._until[first]
        before, behind = max(0.0, begin_s - self._begins[first]), max(0.0, self._ends[last - 1] - end_s)
        return min(end_s - begin_s, max(0.0, all_of_them - before - behind))


def at_best(sample: Sample, stalls: Stalls) -> Sample:
    """Return what the sample would have been if the service did as well as the prober's stalls leave open.

    Its time is shorter by that in which the prober stood still. It is good when nothing else speaks against it: it was
    not sent, or it timed out after too little time. An answer that was bad stays bad.
    """
    stalled_s = min(sample.latency_s, stalls.within(sample.at_s, sample.at_s + sample.latency_s))
    starved = sample.note.startswith(TIMEOUT) and stalled_s > 0 and stalled_s >= SHARE_IN_DOUBT * sample.latency_s
    good = sample.good or starved or sample.note.startswith(HELD_UP)
    return Sample(sample.at_s, sample.latency_s - stalled_s, good, "" if good else sample.note)


def record_at_best(record: Record, prober: str | None) -> Record:
    """Return the record with the samples of a prober (None: of all) as they would have been at best."""
    samples: dict[str, Sequence[Sample]] = dict(record.samples)
    for name in samples if prober is None else samples.keys() & {prober}:
        stalls = Stalls(record.stalls.get(name, ()))
        samples[name] = Samples(at_best(sample, stalls) for sample in samples[name])
    return replace(record, samples=samples)


def words(stalls: Sequence[Stall]) -> str:
    """Say how long a prober stood still, which it did at least once, and when for longest."""
    longest = max(stalls, key=lambda stall: stall.length_s)
    total = format_duration(math.fsum(stall.length_s for stall in stalls))
    at_longest = f"{format_duration(longest.length_s)} at {longest.begin_s:.1f}s"
    return f"it stood still for {total} in all, at the longest for {at_longest}"


def stall_findings(record: Record, in_doubt: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each prober that stood still for so long that a reader should know.

    Args:
        record: of the run
        in_doubt: the probers whose stalls leave an objective open, each with the objective's name
    """
    findings = []
    for name, stalls in sorted(record.stalls.items()):
        longest_s = max((stall.length_s for stall in stalls), default=0.0)
        if name in in_doubt or longest_s >= WORTH_TELLING_S:
            tail = f", so nobody can say whether the service missed {in_doubt[name]}" if name in in_doubt else ""
            message = f"the prober's own machine held it up: {words(stalls)}{tail}"
            severity = "unknown" if name in in_doubt else "note"
            findings.append(Finding(CODE, severity, name, message, actual=round(longest_s, 6)))
    return findings
