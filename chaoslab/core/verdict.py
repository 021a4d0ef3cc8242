"""The judge: a record and its objectives in, a verdict out. Pure, so any stored run can be judged again.

Missing evidence never passes. The order of outcomes, best first: passed, inconclusive, failed. Making the
evidence worse never makes the outcome better.
"""

import math
from typing import Literal, NamedTuple

from chaoslab.core.errors import ExitCode
from chaoslab.core.measures import Actual, Measured, measure, was_never_well
from chaoslab.core.objective import MEASURES, Objective
from chaoslab.core.record import FaultTrace, Record, StepTrace
from chaoslab.core.stalls import CODE, record_at_best, words
from chaoslab.core.units import format_duration

Outcome = Literal["passed", "failed", "inconclusive", "refused", "interrupted", "skipped"]
Answer = Literal["met", "missed", "unknown"]

_EXIT: dict[Outcome, int] = {
    "passed": ExitCode.PASSED,
    "skipped": ExitCode.PASSED,
    "failed": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "refused": ExitCode.REFUSED,
}
_SIGNAL_EXIT = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
_KILLED_EXIT = 137
_TRIPWIRE = "tripwire "
"""An interruption that begins so is a verdict: the system was bad for longer than the file bears."""
_BEFORE_THE_FAULT = {"baseline", "inject"}
_TRYING = {"inject", "recover"}
"""The phases whose steps put the system to the test; looking at it does not."""
_NEVER_WELL = "its prober had no good answer before the fault either, so nothing says what the fault did"
_EXAMINED = "examined"
"""The figure of an exercise that tries nothing and looks at what others left: how many things it has really read."""


class Judged(NamedTuple):
    """One objective, answered."""

    objective: Objective
    actual: Actual
    answer: Answer
    reason: str
    """Why it is missed or unknown; '' when it is met."""
    in_doubt: bool = False
    """Unknown only because the prober itself stood still: but for that it may have been met."""


class Verdict(NamedTuple):
    """What the record amounts to."""

    outcome: Outcome
    objectives: tuple[Judged, ...]
    reasons: tuple[str, ...]
    """Why it did not pass, the weightiest first."""
    exit_code: int


def judge(record: Record) -> Verdict:
    """Judge a record. No I/O, no clock: the same record gives the same verdict on any day."""
    objectives = tuple(judge_objective(record, objective) for objective in record.objectives)
    outcome, reasons = _outcome(record, objectives)
    left = tuple(f"{fault.name} on {fault.target} was not undone" for fault in record.residue)
    return Verdict(outcome, objectives, left + reasons, ExitCode.RESIDUE if left else _exit_code(record, outcome))


def judge_objective(record: Record, objective: Objective) -> Judged:
    """Answer one objective: met, missed or unknown.

    What is missed as measured, and may have been met if the prober had not stood still, is unknown. Met is only what
    is met as measured; the bounds always tell both. What was missed by a prober that had no good answer before the
    harm either is unknown too: it says nothing about the fault.
    """
    judged = _answered(objective, measure(record, objective))
    if judged.answer == "missed" and _is_of_the_fault(objective) and was_never_well(record, objective.of):
        return judged._replace(answer="unknown", reason=_NEVER_WELL)
    stalls = record.stalls.get(objective.of or next(iter(record.samples), ""))
    if not stalls or not _is_by_prober(objective):
        return judged
    best = _answered(objective, measure(record_at_best(record, objective.of), objective))
    if not (isinstance(best.actual, Measured) and isinstance(judged.actual, Measured)):
        return judged
    both = Measured(min(best.actual.low, judged.actual.low), max(best.actual.high, judged.actual.high))
    if (judged.answer, best.answer) != ("missed", "met"):
        return judged._replace(actual=both)
    reason = f"{CODE}: the prober's own machine held it up, and the service may have met it; {words(stalls)}"
    return Judged(objective, both, "unknown", reason, in_doubt=True)


def _is_by_prober(objective: Objective) -> bool:
    return objective.name in MEASURES and MEASURES[objective.name].by_prober


def _is_of_the_fault(objective: Objective) -> bool:
    return _is_by_prober(objective) and objective.when != "before"


def _answered(objective: Objective, actual: Actual) -> Judged:
    if not isinstance(actual, Measured):
        return Judged(objective, actual, "unknown", actual.reason)
    if objective.bound == "at_most":
        surely, possibly = actual.high <= objective.target, actual.low <= objective.target
        beyond = "the objective is exceeded"
    else:
        surely, possibly = actual.low >= objective.target, actual.high >= objective.target
        beyond = "the objective is not reached"
    if surely:
        return Judged(objective, actual, "met", "")
    reason = "the bounds of the measurement reach beyond the objective" if possibly else beyond
    if math.isinf(actual.high):
        reason = _boundless(objective)
    return Judged(objective, actual, "missed", reason)


def _boundless(objective: Objective) -> str:
    """Say what it means that the evidence sets no upper bound."""
    if objective.name == "rpo":
        return "nothing shows how much was lost at most"
    if objective.name.startswith("latency_"):
        return "too many requests were never answered"
    return "it never came to an end within the run"


def _outcome(record: Record, objectives: tuple[Judged, ...]) -> tuple[Outcome, tuple[str, ...]]:
    if record.refusals:
        return "refused", tuple(f"{guard}: {reason}" for guard, reason in record.refusals)
    if record.skipped:
        return "skipped", (record.skipped,)
    if record.interruption and not record.interruption.startswith(_TRIPWIRE):
        return "interrupted", (_ended_by(record.interruption),)
    if failures := _failures(record, objectives):
        return "failed", failures
    if gaps := _gaps(record, objectives):
        return "inconclusive", gaps
    return "passed", ()


def _ended_by(interruption: str) -> str:
    return interruption if " " in interruption else f"interrupted by {interruption}"  # a sentence, or a signal


def _failures(record: Record, objectives: tuple[Judged, ...]) -> tuple[str, ...]:
    """Return what speaks against the system under test."""
    if record.hypothesis.get("before") is False:
        return ()  # it was not well before the fault: whatever followed says nothing about the fault
    reasons = [f"{record.interruption} ended the run"] if record.interruption and not _tripped_in_doubt(record) else []
    reasons += [f"{finding.code}: {finding.message}" for finding in record.findings if finding.severity == "failure"]
    reasons += _parts_reason(record, "failed")
    reasons += [_objective_reason(judged) for judged in objectives if judged.answer == "missed"]
    reasons += [f"step {step.name} {_why(step)}" for step in record.steps if _speaks_against(step)]
    if record.hypothesis.get("after") is False:
        reasons.append("the steady state was not met after the fault")
    return tuple(reasons)


def _tripped_in_doubt(record: Record) -> bool:
    """Say whether a tripwire stopped the run because of what a prober saw that was held up itself."""
    tripped = [finding.severity for finding in record.findings if finding.code == "tripwire"]
    return bool(record.interruption) and tripped == ["unknown"]


def _parts_reason(record: Record, outcome: str) -> list[str]:
    """Say which parts of the whole came out so."""
    names = [part.name for part in record.parts if part.outcome == outcome]
    shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return [f"{len(names)} of {len(record.parts)} {outcome}: {shown}"] if names else []


def _gaps(record: Record, objectives: tuple[Judged, ...]) -> tuple[str, ...]:
    """Return the evidence that is missing."""
    reasons = []
    if record.hypothesis.get("before") is False:
        reasons.append("the steady state was not met before the fault, so nothing was tried")
    if "before" not in record.hypothesis:
        reasons.append("the steady state was not checked before the fault")
    reasons += [
        f"step {step.name} {_why(step)}" for step in record.steps if step.outcome != "ok" and not _speaks_against(step)
    ]
    told = {finding.where for finding in record.findings if finding.code == "fault-without-effect"}
    toothless = [fault for fault in record.injected if not fault.effective and fault.target not in told]
    reasons += [f"{fault.name} on {fault.target} did not bite" for fault in toothless]
    reasons += [_cut_short(fault) for fault in record.injected if _is_cut_short(record, fault)]
    reasons += [f"{record.interruption} ended the run"] if _tripped_in_doubt(record) else []
    reasons += [f"{finding.code}: {finding.message}" for finding in record.findings if finding.severity == "unknown"]
    reasons += _parts_reason(record, "unknown")
    reasons += [_objective_reason(judged) for judged in objectives if judged.answer == "unknown"]
    if not objectives and "after" not in record.hypothesis:
        reasons.append("nothing was asserted: there is no objective and no steady state was checked afterwards")
    if _EXAMINED in record.figures:
        reasons += [] if _examined(record) else ["nothing was examined: not one piece of evidence could be read"]
    elif not record.injected and not any(step.phase in _TRYING and step.outcome == "ok" for step in record.steps):
        reasons.append("nothing was tried: no fault was injected, and the method has no action that went well")
    return tuple(dict.fromkeys(reasons))


def _examined(record: Record) -> bool:
    """Say whether an exercise that only looks has seen anything, and a step of it went well."""
    value = record.figures[_EXAMINED]["value"]
    seen = value if isinstance(value, int | float) else 0
    return seen > 0 and any(step.phase == "verify" and step.outcome == "ok" for step in record.steps)


def _speaks_against(step: StepTrace) -> bool:
    """Say whether a step that did not end well tells something about the system.

    A step that fails before the fault is on proves nothing about it: evidence is missing.
    """
    return step.outcome in {"failed", "deviated"} and step.phase not in _BEFORE_THE_FAULT


def _is_cut_short(record: Record, fault: FaultTrace) -> bool:
    """Say whether somebody else ended a fault while the run went on, as though it still stood."""
    return fault.undone_by in {"reaper", "undo"} and fault.undone_s is not None and fault.undone_s <= record.duration_s


def _cut_short(fault: FaultTrace) -> str:
    ended = "its time-to-live was over" if fault.undone_by == "reaper" else "`chaoslab undo` ended it"
    lasted = format_duration((fault.undone_s or 0.0) - (fault.injected_s or 0.0))
    return f"{fault.name} on {fault.target} was on for {lasted} only: {ended} before the run did"


def _why(step: StepTrace) -> str:
    return f"{step.outcome}: {step.error}" if step.error else step.outcome


def _objective_reason(judged: Judged) -> str:
    return f"objective {judged.objective.name} is {judged.answer}: {judged.reason}"


def _exit_code(record: Record, outcome: Outcome) -> int:
    if outcome == "interrupted":
        return _SIGNAL_EXIT.get(record.interruption, _KILLED_EXIT)
    return _EXIT[outcome]
