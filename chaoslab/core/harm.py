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

    def stretch(self, when: When) -> tuple[float, float]:
        """Return from which instant of the run on, and until before which one, it is before, during or after it."""
        match when:
            case "before":
                return -math.inf, self.begin_s
            case "during":
                return self.begin_s, self.end_s
            case "after":
                return self.end_s, math.inf


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
