"""The sections of report.md that tell what was done and what was found."""

from typing import NamedTuple

from chaoslab.report.grouping import Group, counted, grouped
from chaoslab.report.markup import code, code_cell, prose, table
from chaoslab.report.model import FaultResult, FindingResult, Report
from chaoslab.report.wall import time_of_day
from chaoslab.report.wording import amount_text, count_text

_MOST_ROWS = 200
_MOST_OF_A_CODE = 5
"""Findings; report.json has them all."""
_ITSELF = "itself"
"""Who ended a fault that was over as soon as it bit: what it left behind is not undone, but recovered from."""
_SEVERITIES = {"failure": "Failures", "unknown": "Evidence that is missing", "warning": "Warnings", "note": "Notes"}


class _Row(NamedTuple):
    """One line of the timeline."""

    at_s: float
    took: str
    what: str
    how: str


def timeline(report: Report) -> list[str]:
    """Return steps, marks and faults in the order of their time."""
    rows = sorted(_rows(report), key=lambda row: row.at_s)
    if not rows:
        return ["## What happened", "", "Nothing: no step was begun."]
    cells = [
        [time_of_day(report.run.started_at, row.at_s), f"{row.at_s:.3f}", row.took, row.how, row.what]
        for row in rows[:_MOST_ROWS]
    ]
    lines = ["## What happened", "", *table(["UTC", "at (s)", "took", "outcome", "what"], cells, right=(1, 2))]
    if (left := len(rows) - _MOST_ROWS) > 0:
        lines += ["", f"... and {count_text(left, 'more line')} in report.json."]
    return lines


def _rows(report: Report) -> list[_Row]:
    rows = [_Row(at_s, "", f"**{prose(name.removesuffix('_s'), 80)}**", "mark") for name, at_s in report.marks.items()]
    for step in report.steps:
        took = "" if step.outcome == "running" else amount_text(step.duration_s, "s")
        error = f": {prose(step.error, 300)}" if step.error else ""
        outcome = "cut off" if step.outcome == "running" else step.outcome
        how = outcome if outcome == "ok" else f"**{prose(outcome, 40)}**"
        rows.append(_Row(step.start_s, took, f"{prose(step.phase, 40)}: {prose(step.name, 120)}{error}", how))
    for fault in report.faults:
        if fault.role != "fault":
            continue
        name = f"{prose(fault.name, 80)} on {prose(fault.target, 120)}"
        if fault.injected_s is not None:
            rows.append(_Row(fault.injected_s, "", f"fault on: {name}", "fault"))
        if fault.undone_s is not None and fault.injected_s is not None and fault.undone_by != _ITSELF:
            rows.append(_Row(fault.undone_s, "", f"fault off: {name}, by {_who(fault)}", "undone"))
    return rows


def findings(report: Report) -> list[str]:
    """Return the findings by severity, the worst first, each with what was expected and what was there."""
    lines = ["## Findings"]
    if not report.findings:
        return [*lines, "", "None."]
    others = {finding.severity: finding.severity for finding in report.findings if finding.severity not in _SEVERITIES}
    for severity, title in (_SEVERITIES | others).items():
        found = [finding for finding in report.findings if finding.severity == severity]
        if not found:
            continue
        lines += ["", f"### {prose(title, 40)} ({len(found):,})", "", *_numbered(grouped(found))]
    return lines


def _numbered(groups: list[Group]) -> list[str]:
    total = sum(group.count for group in groups)
    lines = [f"{prose(counted(groups, 20), 1500)}.", ""] if total > _MOST_OF_A_CODE and len(groups) > 1 else []
    number = 0
    for group in groups:
        for finding, times in group.findings[:_MOST_OF_A_CODE]:
            number += 1
            lines += _finding(number, finding, times)
        if left := sum(times for _, times in group.findings[_MOST_OF_A_CODE:]):
            number += 1
            lines.append(f"{number}. **{prose(group.code, 80)}**: {left:,} more in report.json")
    return lines


def _finding(number: int, finding: FindingResult, times: int) -> list[str]:
    where = f" at {code(finding.where)}" if finding.where else ""
    often = f" ({times:,} times)" if times > 1 else ""
    lines = [f"{number}. **{prose(finding.code, 80)}**{where}: {prose(finding.message, 500)}{often}"]
    values = {"expected": finding.expected, "actual": finding.actual}
    if any(value is not None for value in values.values()):
        told = {name: value for name, value in values.items() if value is not None or finding.severity == "failure"}
        lines += [f"{' ' * len(f'{number}. ')}- {name}: {_value(value)}" for name, value in told.items()]
    return lines


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return ", ".join(code(str(item)) or "''" for item in value[:10]) + (" ..." if len(value) > 10 else "")
    return code(str(value), 300) or "''"


def touched(report: Report) -> list[str]:
    """Return all that the run did to the world, how long it lasted and who undid it."""
    lines = ["## What was touched", ""]
    if report.run.targets:
        lines += [f"Target: {', '.join(code(target) for target in report.run.targets)}.", ""]
    if report.run.blast_radius:
        lines += [f"Blast radius, as the file declares it: {prose(report.run.blast_radius, 500)}", ""]
    if not report.faults:
        return [*lines, "Nothing: no fault was injected and no scratch thing was made."]
    worst_first = sorted(report.faults, key=lambda fault: (fault.undone_s is not None, fault.entry))
    head = ["what", "role", "injected at (s)", "bit", "undone at (s)", "by", "lasted", "target"]
    return [*lines, *table(head, [_touched_row(fault) for fault in worst_first], right=(2, 4, 6))]


def _touched_row(fault: FaultResult) -> list[str]:
    bit = {True: "yes", False: "**no**", None: ""}[fault.effective]
    return [
        prose(fault.name, 80),
        prose(fault.role, 20),
        "never" if fault.injected_s is None else f"{fault.injected_s:.3f}",
        bit,
        _undone_at(fault),
        _who(fault),
        _lasted(fault),
        code_cell(fault.target),
    ]


def _undone_at(fault: FaultResult) -> str:
    if fault.undone_s is None:
        return "**NOT UNDONE**"
    return "nothing to undo" if fault.undone_by == _ITSELF else f"{fault.undone_s:.3f}"


def _who(fault: FaultResult) -> str:
    names = {"run": "the run", _ITSELF: "", "reaper": "the reaper", "undo": "`chaoslab undo`", None: ""}
    return names[fault.undone_by] if fault.undone_by in names else prose(fault.undone_by or "", 20)


def _lasted(fault: FaultResult) -> str:
    """Return how long it lived; across a restart of the machine the run's clock says nothing."""
    if fault.injected_s is None or fault.undone_s is None or fault.undone_by == _ITSELF:
        return ""
    if fault.undone_s < fault.injected_s:
        return ""
    return amount_text(fault.undone_s - fault.injected_s, "s")
