"""When the system was harmed in a run, which divides its samples into those before, during and after."""

import math
from typing import NamedTuple

from chaoslab.core.objective import When
from chaoslab.core.record import Record

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


def is_in(when: When, harm: Harm, at_s: float) -> bool:
    """Say whether an instant of the run lies before, during or after the harm."""
    place = "before" if at_s < harm.begin_s else "during" if at_s < harm.end_s else "after"
    return place == when
