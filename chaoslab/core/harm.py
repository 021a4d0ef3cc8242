"""When the system was harmed in a run, which divides its samples into those before, during and after."""

import math
from typing import NamedTuple

from chaoslab.core.objective import When
from chaoslab.core.record import Record
from chaoslab.core.samples import Samples

RECOVERED = ("verified", "serving", "restored")
"""The marks that end the harm of a disaster, the best first."""


class Harm(NamedTuple):
    """The stretch of the run in which the service was harmed, in seconds."""

    begin_s: float
    end_s: float
    """Infinite when it did not end within the run."""


def harm_of(record: Record) -> Harm | None:
    """Return when the harm lasted: from the disaster or the first fault to the recovery or the last undo."""
    begins = [fault.injected_s for fault in record.injected if fault.injected_s is not None]
    ends = [math.inf if fault.undone_s is None else fault.undone_s for fault in record.injected]
    if "disaster" in record.marks:
        begins = [record.marks["disaster"]]
        ends.append(next((record.marks[mark] for mark in RECOVERED if mark in record.marks), math.inf))
    if not begins:
        return None
    return Harm(min(begins), max(min(begins), *ends))


def hit_by(begin_s: float, taken: Samples) -> Samples:
    """Return the samples of whoever met the harm: a question that was still unanswered when it began is one of them."""
    hit = taken.between(begin_s, math.inf)
    for sample in taken.between(-math.inf, begin_s):
        if sample.at_s + sample.latency_s > begin_s:
            hit.add(sample)
    return hit


def phases_of(harm: Harm, taken: Samples) -> dict[When, Samples]:
    """Divide samples into those before, during and after the harm; each is in one of them."""
    early = taken.between(-math.inf, harm.begin_s)
    return {
        "before": Samples(sample for sample in early if sample.at_s + sample.latency_s <= harm.begin_s),
        "during": hit_by(harm.begin_s, taken.between(-math.inf, harm.end_s)),
        "after": taken.between(harm.end_s, math.inf),
    }
