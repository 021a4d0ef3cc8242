"""Whether the faults of a plan may live as long as it lets them: one that ends in the middle would prove nothing."""

from __future__ import annotations

from collections.abc import Sequence

from chaoslab.core.plan import PlannedFault, PlannedStep
from chaoslab.core.units import format_duration, parse_duration

_WAIT = "chaoslab.runtime.actions.wait"
_UNDO = "chaoslab.runtime.actions.undo"


def ending_too_soon(steps: Sequence[PlannedStep]) -> list[tuple[str, str]]:
    """Return each step whose fault has a time-to-live that is over before the waits that follow, and what to do."""
    told = []
    for place, step in enumerate(steps):
        if step.fault is None or step.fault.ttl_s is None:
            continue
        lasts_s = _lasts_s(step.fault, steps[place + 1 :])
        if lasts_s >= step.fault.ttl_s:
            ttl, lasts = format_duration(step.fault.ttl_s), format_duration(lasts_s)
            message = f"its time-to-live of {ttl} will end it too soon, for the file waits {lasts} meanwhile"
            told.append((step.name, f"{message}; make `ttl` longer, or the wait shorter"))
    return told


def _lasts_s(fault: PlannedFault, later: Sequence[PlannedStep]) -> float:
    """Return for how long steps wait while the fault is on, in seconds, as far as the plan knows."""
    lasts_s = 0.0
    for step in later:
        meant = str(step.arguments.get("fault", ""))
        if step.function == _UNDO and (not meant or meant == fault.name or fault.name.endswith(f".{meant}")):
            break
        if step.function == _WAIT:
            try:
                lasts_s += parse_duration(str(step.arguments.get("duration", "")))
            except ValueError:  # known when the run gets there
                continue
    return lasts_s
