"""A record and its verdict become a report. Pure: no file is read here."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from chaoslab.core.harm import harm_of
from chaoslab.core.measures import Measured
from chaoslab.core.record import FaultTrace, Finding, PartTrace, Record
from chaoslab.core.stalls import stall_findings
from chaoslab.core.verdict import Judged, Verdict
from chaoslab.report.model import (
    Evidence,
    FaultResult,
    Figure,
    FindingResult,
    Interval,
    ObjectiveResult,
    PartResult,
    Refusal,
    Report,
    Run,
    StepResult,
)
from chaoslab.report.recovery import rto_phases
from chaoslab.report.service import prober_result

_NOISE_DIGITS = 9
"""Subtracting two floats leaves dust beyond this; it must not show in a margin."""


def report_from(record: Record, verdict: Verdict, evidence: Sequence[Evidence] = ()) -> Report:
    """Put together what is told about a run: the same record and verdict give the same report."""
    harm = harm_of(record)
    return Report(
        run=_run(record),
        outcome=verdict.outcome,
        reasons=list(verdict.reasons),
        exit_code=int(verdict.exit_code),
        residue=[_fault(fault) for fault in record.residue],
        objectives=[_objective(judged) for judged in verdict.objectives],
        steps=[StepResult(**asdict(step)) for step in record.steps],
        findings=[FindingResult(**asdict(finding)) for finding in (*record.findings, *_stalled(record, verdict))],
        faults=[_fault(fault) for fault in record.faults],
        marks={f"{name}_s": at_s for name, at_s in record.marks.items()},
        figures={name: Figure(**figure) for name, figure in record.figures.items()},
        parts=[_part(part, record) for part in record.parts],
        rto_phases=rto_phases(record.marks),
        probers=[
            prober_result(name, taken, harm, record.stalls.get(name, ()))
            for name, taken in sorted(record.samples.items())
            if taken
        ],
        hypothesis=dict(record.hypothesis),
        refusals=[Refusal(guard=guard, reason=reason) for guard, reason in record.refusals],
        interruption=record.interruption,
        skipped=record.skipped,
        complete=record.ended,
        evidence=list(evidence),
    )


def _stalled(record: Record, verdict: Verdict) -> list[Finding]:
    doubts: dict[str, list[str]] = {}
    for judged in verdict.objectives:
        if judged.in_doubt:
            whose = judged.objective.of or next(iter(record.samples))
            doubts.setdefault(whose, []).append(judged.objective.name)
    return stall_findings(record, {whose: " and ".join(names) for whose, names in doubts.items()})


def _run(record: Record) -> Run:
    run = record.run
    return Run(
        id=run.get("id", ""),
        slug=run.get("slug", ""),
        title=run.get("title", ""),
        description=run.get("description", ""),
        kind=run.get("kind", ""),
        started_at=run.get("started_at", ""),
        ended_at=record.ended_at,
        duration_s=record.duration_s,
        host=run.get("host", ""),
        versions=run.get("versions") or {},
        seed=run.get("seed"),
        plan_sha256=run.get("plan_sha256"),
        file=run.get("file", ""),
        targets=list(record.targets),
        blast_radius=run.get("blast_radius", ""),
    )


def _objective(judged: Judged) -> ObjectiveResult:
    objective, actual = judged.objective, judged.actual
    low, high = (actual.low, actual.high) if isinstance(actual, Measured) else (None, None)
    low, high = (None if end is None else round(end, _NOISE_DIGITS) for end in (low, high))
    return ObjectiveResult(
        name=objective.name,
        objective=objective.target,
        bound=objective.bound,
        unit=objective.unit,
        of=objective.of,
        when=objective.when,
        actual=Interval(low=low, high=high),
        margin=_margin(judged),
        outcome=judged.answer,
        reason=judged.reason,
    )


def _margin(judged: Judged) -> float | None:
    if not isinstance(judged.actual, Measured):
        return None
    target = judged.objective.target
    margin = target - judged.actual.high if judged.objective.bound == "at_most" else judged.actual.low - target
    return round(margin, _NOISE_DIGITS) if math.isfinite(margin) else None


def _fault(fault: FaultTrace) -> FaultResult:
    return FaultResult(**asdict(fault) | {"undone_by": fault.undone_by or None})


def _part(part: PartTrace, record: Record) -> PartResult:
    found = [one for one in record.findings if one.severity != "note"]
    codes = [one.code for one in found if one.where == part.name or one.where.startswith(f"{part.name}/")]
    fields = {"findings": list(dict.fromkeys(codes)), "figures": dict(part.figures)}
    return PartResult(name=part.name, outcome=part.outcome, **fields)  # type: ignore[arg-type]
