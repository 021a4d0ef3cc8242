"""The end of a run in words: verdict, objectives, findings, what was left behind, where the report is."""

from collections.abc import Callable, Iterator
from pathlib import Path

from chaoslab.cli.terminal import faint, flat, mark, plural, styled, table
from chaoslab.report.model import FindingResult, Report, StepResult
from chaoslab.report.sentences import headline_word, verdict_sentence
from chaoslab.report.wording import actual_text, margin_text, objective_name, target_text

_SHOWN = 10
_HEAD = ("", "objective", "target", "actual", "margin", "")


def print_summary(report: Report, *, paths: tuple[Path, ...], write: Callable[[str], None]) -> None:
    """Write the summary of a run, the weightiest first."""
    for line in summary(report):
        write(line)
    for path in paths:
        write(faint(f"report: {_near(path)}"))


def summary(report: Report) -> Iterator[str]:
    """Yield the lines of the summary."""
    yield ""
    color = "residue" if report.residue else report.outcome
    yield f"{styled(headline_word(report), color)}  {flat(verdict_sentence(report))}"
    if report.residue:
        yield from _residue(report)
    if bad := [step for step in report.steps if step.outcome != "ok"]:
        yield ""
        yield from _steps(bad)
    if report.objectives and report.outcome != "refused":  # nothing was measured, for nothing was run
        yield ""
        yield _objectives(report)
    shown = [finding for finding in report.findings if finding.severity != "note"]
    if shown:
        yield ""
        yield from _findings(shown)
    yield ""


def _near(path: Path) -> Path:
    """Return the path as somebody in the working folder would type it."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):  # it lies elsewhere, or the working folder is gone
        return path


def _residue(report: Report) -> Iterator[str]:
    yield ""
    yield styled(f"{plural(len(report.residue), 'thing')} NOT UNDONE:", "residue")
    for fault in report.residue:
        why = f": {fault.error}" if fault.error else ""
        yield f"  {mark('residue')} {flat(f'{fault.name} on {fault.target}{why}')}"
    yield "  mend the cause and call `chaoslab undo`"


def _steps(steps: list[StepResult]) -> Iterator[str]:
    for step in steps[:_SHOWN]:
        why = f": {step.error}" if step.error else ""
        sign, outcome = ("aborted", "cut off") if step.outcome == "running" else (step.outcome, step.outcome)
        yield f"  {mark(sign)} {flat(f'step {step.name} {outcome}{why}')}"
    if len(steps) > _SHOWN:
        yield f"  and {plural(len(steps) - _SHOWN, 'step')} more in the report"


def _objectives(report: Report) -> str:
    rows = [
        [
            mark(result.outcome),
            objective_name(result),
            target_text(result),
            actual_text(result),
            margin_text(result),
            flat(result.reason),
        ]
        for result in report.objectives
    ]
    return table(rows, head=_HEAD, indent="  ")


def _findings(findings: list[FindingResult]) -> Iterator[str]:
    for finding in findings[:_SHOWN]:
        outcome = {"failure": "failed"}.get(finding.severity, finding.severity)
        yield f"  {mark(outcome)} {flat(f'{finding.code}  {finding.where}: {finding.message}')}{_values(finding)}"
    if len(findings) > _SHOWN:
        yield f"  and {plural(len(findings) - _SHOWN, 'finding')} more in the report"


def _values(finding: FindingResult) -> str:
    if finding.expected is None and finding.actual is None:
        return ""
    return faint(f"  (expected {_short(finding.expected)}, actual {_short(finding.actual)})")


def _short(value: object) -> str:
    text = "nothing" if value is None else flat(str(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
