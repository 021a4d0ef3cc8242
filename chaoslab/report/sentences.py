"""What came out, said in one sentence: the same at the end of a run and at the top of its report."""

from chaoslab.core.units import format_duration
from chaoslab.report.grouping import counted, group_line, grouped, why
from chaoslab.report.model import FaultResult, FindingResult, ObjectiveResult, Report
from chaoslab.report.wording import actual_text, clip, count_text, objective_name, target_text

_REASON_LENGTH = 300
_NAMED = 2
"""Faults, objectives or things left behind that a sentence names; it counts the rest."""


def verdict_sentence(report: Report) -> str:
    """Say what was tried, what came out and why: plain text on one line, what was left behind first."""
    return clip(f"{_residue(report)}{_tried(report)} {_OUTCOMES[report.outcome](report)}", 1500)


def headline_word(report: Report) -> str:
    """Return the one word that a reader looks for: `PASSED`, or `FAILED, RESIDUE`."""
    return report.outcome.upper() + (", RESIDUE" if report.residue else "")


def title_of(report: Report) -> str:
    """Return the exercise's title, or the best there is of a name."""
    return clip(report.run.title or report.run.slug or report.run.id or "an exercise without a name", 120)


def kind_of(report: Report) -> str:
    """Return `experiment` or `drill`, or the word for both."""
    return clip(report.run.kind, 40) or "exercise"


def _residue(report: Report) -> str:
    if not report.residue:
        return ""
    named = _some([f"{fault.name} on {fault.target}" for fault in report.residue])
    return f"{named} {'was' if len(report.residue) == 1 else 'were'} NOT UNDONE. "


def _tried(report: Report) -> str:
    faults = [f"{fault.name} on {fault.target}" for fault in _struck(report)]
    what = f" ({_some(faults)})" if faults else ""
    return f"The {kind_of(report)} “{title_of(report)}”{what}"


def _passed(report: Report) -> str:
    parts = []
    if report.objectives:
        parts.append(_some([_promise(result) for result in report.objectives], most=4))
    if report.hypothesis.get("after"):
        parts.append("the steady state held afterwards")
    return f"passed: {'; '.join(parts)}." if parts else "passed."


def _failed(report: Report) -> str:
    parts = [_promise(result) for result in report.objectives if result.outcome == "missed"]
    wrong = [finding for finding in report.findings if finding.severity == "failure"]
    if wrong:
        parts.append(_found(wrong))
    return f"failed: {'; '.join(parts)}." if parts else f"failed: {_first_reason(report)}"


def _inconclusive(report: Report) -> str:
    return f"is inconclusive, evidence is missing: {_first_reason(report)}"


def _refused(report: Report) -> str:
    first = report.refusals[0] if report.refusals else None
    by = f"refused by {first.guard}: {_sentence(first.reason)}" if first else "refused."
    return f"was {by} {_aftermath(report)}"


def _interrupted(report: Report) -> str:
    when = f"after {format_duration(report.run.duration_s)}"
    step = next((step for step in reversed(report.steps) if step.outcome in {"running", "aborted"}), None)
    where = f", in step “{clip(step.name, 80)}”" if step else ""
    if not report.complete:
        return f"was cut off {when}{where}: its runner died, or is still at work. {_aftermath(report)}"
    return f"was interrupted by {clip(report.interruption, 120)} {when}{where}. {_aftermath(report)}"


def _skipped(report: Report) -> str:
    return f"was skipped: {_sentence(report.skipped)}"


_OUTCOMES = {
    "passed": _passed,
    "failed": _failed,
    "inconclusive": _inconclusive,
    "refused": _refused,
    "interrupted": _interrupted,
    "skipped": _skipped,
}


def _aftermath(report: Report) -> str:
    """Say what became of what was touched; of residue the sentence has spoken already."""
    if not report.faults:
        return "Nothing was touched."
    if not report.residue:
        return "Everything it had touched was undone."
    return "Everything else it had touched was undone." if len(report.residue) < len(report.faults) else ""


def _struck(report: Report) -> list[FaultResult]:
    return [fault for fault in report.faults if fault.role == "fault" and fault.injected_s is not None]


def _promise(result: ObjectiveResult) -> str:
    return f"{objective_name(result)} {actual_text(result)} (promised {target_text(result)})"


def _found(findings: list[FindingResult]) -> str:
    """Name findings of one code by the first of them; count those of several, so that a rare one is not buried."""
    groups = grouped(findings)
    if len(groups) == 1:
        return clip(group_line(groups[0]), _REASON_LENGTH).rstrip(".")
    return f"{count_text(len(findings), 'finding')}: {counted(groups)}"


def _first_reason(report: Report) -> str:
    """Return the weightiest reason, those about residue left out: the sentence began with them."""
    reasons = why(report)[len(report.residue) :]
    if not reasons:
        return "no reason was noted."
    more = f" (and {count_text(len(reasons) - 1, 'more reason')})" if len(reasons) > 1 else ""
    return f"{clip(reasons[0], _REASON_LENGTH).rstrip('.')}{more}."


def _sentence(text: str) -> str:
    return f"{clip(text, _REASON_LENGTH).rstrip('.')}."


def _some(names: list[str], *, most: int = _NAMED) -> str:
    """Join the first names and count the rest."""
    shown = [clip(name, 120) for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
