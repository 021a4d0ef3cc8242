"""What a record says about each objective: an interval in which the true figure lies, or why there is none.

An interval is (low, high); high is infinite when the evidence sets no upper bound. An objective that says
*at most* is met only if the high end fits, one that says *at least* only if the low end does.
"""

import math
from dataclasses import dataclass

from chaoslab.core.harm import harm_of, hit_by, phases_of
from chaoslab.core.histogram import Histogram
from chaoslab.core.objective import Objective
from chaoslab.core.record import Record
from chaoslab.core.samples import Samples


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure between its bounds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """No figure, and why."""

    reason: str


type Actual = Measured | Unknown


def measure(record: Record, objective: Objective) -> Actual:
    """Return the actual figure for an objective."""
    match objective.name:
        case "rto":
            return _rto(record)
        case "rpo":
            return _rpo(record)
        case "detection":
            return _detection(record)
        case "recovery":
            return _recovery(record, objective.of)
        case "availability":
            return _availability(_taken(record, objective))
        case name if name.startswith("latency_p"):
            return _latency(_taken(record, objective), percent=float(name.removeprefix("latency_p")))
        case name:
            return Unknown(f"nothing measures {name}")


def _rto(record: Record) -> Actual:
    """From the disaster to *verified*; the low end is the last moment at which the service was seen to be down."""
    disaster_s, verified_s = record.marks.get("disaster"), record.marks.get("verified")
    if disaster_s is None:
        return Unknown("no disaster was marked")
    if verified_s is None:
        return Unknown("the recovered service was never verified")
    if verified_s < disaster_s:
        return Unknown("it was verified before the disaster")
    bad_s = [
        s.at_s for taken in record.samples.values() for s in taken if not s.good and disaster_s <= s.at_s <= verified_s
    ]
    return Measured(max(bad_s, default=disaster_s) - disaster_s, verified_s - disaster_s)


def _rpo(record: Record) -> Actual:
    """What was acknowledged before the disaster and is not there after the recovery, in seconds."""
    figure = record.figures.get("lost_s")
    if figure is None:
        return Unknown("nothing measured what was lost: no heartbeat and no snapshot of this run")
    value = figure["value"]
    low, high = value if isinstance(value, list | tuple) else (value, value)
    return Measured(float(low), math.inf if high is None else float(high))


def _detection(record: Record) -> Actual:
    start_s, detected_s = _begin_s(record), record.marks.get("detected")
    if start_s is None:
        return Unknown("there was no fault and no disaster to detect")
    if detected_s is None:
        return Unknown("nothing detected it")
    if detected_s < start_s:
        return Unknown("it was detected before it began: the detector fires without a fault")
    return Measured(detected_s - start_s, detected_s - start_s)


def _recovery(record: Record, prober: str | None) -> Actual:
    """From the end of the last fault to the service being good for the rest of the run: [last bad, first good].

    The fault ended somewhere in its undo: the low end counts from the end of that, the high end from its beginning.
    A disaster that was only declared has no end: its recovery counts from the first sample after it.
    """
    taken = _since_fault(record, prober)
    if isinstance(taken, Unknown):
        return taken
    ends = [fault.undone_s for fault in record.injected]
    if any(end is None for end in ends):
        return Unknown("a fault was not undone, so there was nothing to recover from")
    end_s = max((end for end in ends if end is not None), default=taken[0].at_s)
    after = [sample for sample in taken if sample.at_s >= end_s]
    if not after:
        return Unknown("no sample was taken after the fault")
    last_bad = max((index for index, sample in enumerate(taken) if not sample.good), default=None)
    if last_bad is None:
        return Measured(0.0, 0.0)
    low = max(0.0, taken[last_bad].at_s - end_s)
    if last_bad + 1 == len(taken):
        return Measured(low, math.inf)
    good = taken[last_bad + 1]
    undo_s = max((fault.undo_took_s for fault in record.injected if fault.undone_s == end_s), default=0.0)
    return Measured(low, max(0.0, good.at_s + good.latency_s - (end_s - undo_s)))


def _availability(taken: Samples | Unknown) -> Actual:
    """The share of good samples."""
    if isinstance(taken, Unknown):
        return taken
    share = sum(sample.good for sample in taken) / len(taken)
    return Measured(share, share)


def _latency(taken: Samples | Unknown, *, percent: float) -> Actual:
    """The percentile of the latencies, within the error of a histogram; the low end leaves failed requests at the time
    they took to fail, the high end counts them as never answered."""
    if isinstance(taken, Unknown):
        return taken
    answered = Histogram(sample.latency_s for sample in taken)
    well = Histogram(sample.latency_s if sample.good else math.inf for sample in taken)
    return Measured(answered.percentile(percent)[0], well.percentile(percent)[1])


def _begin_s(record: Record) -> float | None:
    """Return when the harm began: the declared disaster, or the first fault."""
    if "disaster" in record.marks:
        return record.marks["disaster"]
    return min((fault.injected_s for fault in record.injected if fault.injected_s is not None), default=None)


def _taken(record: Record, objective: Objective) -> Samples | Unknown:
    """Return the samples that answer an objective: those of its phase, or all from the first fault on."""
    if objective.when is None:
        return _since_fault(record, objective.of)
    harm, all_of_it = harm_of(record), _of_prober(record, objective.of)
    if harm is None:
        return Unknown("no fault was injected")
    if isinstance(all_of_it, Unknown):
        return all_of_it
    taken = phases_of(harm, all_of_it)[objective.when]
    return taken or Unknown(f"no sample was taken {objective.when} the fault")


def _since_fault(record: Record, prober: str | None) -> Samples | Unknown:
    begin_s = _begin_s(record)
    if begin_s is None:
        return Unknown("no fault was injected")
    all_of_it = _of_prober(record, prober)
    if isinstance(all_of_it, Unknown):
        return all_of_it
    taken, name = hit_by(begin_s, all_of_it), prober or next(iter(record.samples))
    if not taken:
        return Unknown(f"prober {name} took no sample after the fault began")
    if _nobody_met_the_fault(record, taken):
        return Unknown(f"no question of prober {name} met the fault: none was asked while it was on")
    return taken


def _nobody_met_the_fault(record: Record, taken: Samples) -> bool:
    """Say whether a fault was over before anybody asked; one that is over at once, as a kill, lasts in what it did."""
    harm = harm_of(record)
    lasting = any(fault.undone_by != "itself" for fault in record.injected)
    return harm is not None and lasting and taken[0].at_s >= harm.end_s


def was_never_well(record: Record, prober: str | None) -> bool:
    """Say whether a prober had asked before the harm, and never had a good answer."""
    harm, taken = harm_of(record), _of_prober(record, prober)
    if harm is None or isinstance(taken, Unknown):
        return False
    before = phases_of(harm, taken)["before"]
    return bool(before) and not any(sample.good for sample in before)


def _of_prober(record: Record, prober: str | None) -> Samples | Unknown:
    if prober is None and len(record.samples) > 1:
        return Unknown(f"the objective does not say which prober it is of: {', '.join(sorted(record.samples))}")
    name = prober or next(iter(record.samples), "")
    taken = record.samples.get(name)
    return Samples.of(taken) if taken else Unknown(f"prober {name or '(none)'} took no sample after the fault began")
