"""report.md: what an SRE pastes into a ticket; it reads well as raw text too."""

from chaoslab.core.units import format_size
from chaoslab.report.charts import bar
from chaoslab.report.grouping import why
from chaoslab.report.markdown_parts import parts
from chaoslab.report.markdown_probers import probers
from chaoslab.report.markdown_story import findings, timeline, touched
from chaoslab.report.markup import code, code_cell, prose, table
from chaoslab.report.model import ObjectiveResult, Report
from chaoslab.report.sentences import headline_word, kind_of, title_of, verdict_sentence
from chaoslab.report.wall import instant_text
from chaoslab.report.wording import (
    actual_text,
    amount_text,
    count_text,
    figure_text,
    margin_text,
    objective_name,
    target_text,
)

NAME = "report.md"

_MOST_REASONS = 10


def render(report: Report) -> str:
    """Return the report as Markdown. The same report gives the same text."""
    sections = [
        _head(report),
        _residue(report),
        _objectives(report),
        _phases(report),
        parts(report),
        timeline(report),
        probers(report),
        findings(report),
        touched(report),
        _figures(report),
        _provenance(report),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _head(report: Report) -> list[str]:
    run = report.run
    lines = [
        f"# {headline_word(report)}: {prose(title_of(report))}",
        "",
        f"**{prose(verdict_sentence(report), 1500)}**",
        "",
        f"Run {code(run.id) or 'without an id'} of {code(run.slug) or 'no catalog entry'} ({prose(kind_of(report))}) "
        f"on {code(run.host) or 'an unknown host'}: started {prose(instant_text(run.started_at))}, "
        f"took {amount_text(run.duration_s, 's')}, exit code {report.exit_code}.",
    ]
    if run.description:
        lines += ["", prose(run.description, 1500)]
    reasons = why(report)
    in_the_table = {f"objective {result.name} is {result.outcome}: {result.reason}" for result in report.objectives}
    if len(reasons) > 1 and not in_the_table.issuperset(reasons):
        lines += ["", "Why:", ""]
        lines += [f"{number}. {prose(reason, 300)}" for number, reason in enumerate(reasons[:_MOST_REASONS], 1)]
        if (left := len(reasons) - _MOST_REASONS) > 0:
            lines += ["", f"... and {count_text(left, 'more reason')} in report.json."]
    return lines


def _residue(report: Report) -> list[str]:
    if not report.residue:
        return []
    lines = ["## Not undone", ""]
    for fault in report.residue:
        error = f": {code(fault.error)}" if fault.error else ""
        lines.append(
            f"- **{prose(fault.name)} on {prose(fault.target)} is NOT UNDONE**{error} (undo: {code(fault.undo)})"
        )
    return [*lines, "", "`chaoslab undo` tries again; until then what stands above may still be in effect."]


def _objectives(report: Report) -> list[str]:
    if report.outcome in {"refused", "skipped"}:
        promised = ", ".join(f"{prose(objective_name(one), 60)} {target_text(one)}" for one in report.objectives)
        return ["## Objectives", "", f"Nothing was measured, for nothing was run. Promised: {promised or 'no figure'}."]
    if not report.objectives:
        lines = ["The file promises nothing in figures."]
    else:
        why = any(result.reason for result in report.objectives)
        head = ["objective", "target", "actual", "margin", "outcome", *(["why"] if why else [])]
        lines = table(head, [_objective_row(result)[: len(head)] for result in report.objectives], right=(1, 2, 3))
    if report.outcome == "interrupted":
        lines = [*lines, "", "The run was cut short: these figures speak of what there was of it, and prove nothing."]
    return ["## Objectives", "", *lines, "", _steady_state(report)]


def _objective_row(result: ObjectiveResult) -> list[str]:
    outcome = result.outcome if result.outcome == "met" else f"**{result.outcome}**"
    return [
        prose(objective_name(result), 60),
        target_text(result),
        actual_text(result),
        margin_text(result),
        outcome,
        prose(result.reason, 200),
    ]


def _steady_state(report: Report) -> str:
    words = {True: "met", False: "**not met**", None: "not checked"}
    before, after = (words[report.hypothesis.get(when)] for when in ("before", "after"))
    return f"Steady state: {before} before, {after} after."


def _phases(report: Report) -> list[str]:
    if not report.rto_phases:
        return []
    total_s = sum(phase.duration_s for phase in report.rto_phases)
    rows = [
        [
            phase.name,
            f"{phase.start_s:.3f}",
            amount_text(phase.duration_s, "s"),
            amount_text(phase.duration_s / total_s, "share") if total_s > 0 else "",
            bar(phase.duration_s / total_s) if total_s > 0 else "",
        ]
        for phase in report.rto_phases
    ]
    end = "verified" if "verified_s" in report.marks else "the last mark that was reached"
    lines = table(["phase", "from (s)", "took", "share", ""], rows, right=(1, 2, 3))
    return [
        "## Where the time to recover went",
        "",
        f"From the disaster to {end}: {amount_text(total_s, 's')}.",
        "",
        *lines,
    ]


def _figures(report: Report) -> list[str]:
    if not report.figures:
        return []
    rows = [[prose(name, 60), prose(figure_text(figure), 60)] for name, figure in report.figures.items()]
    return ["## Figures", "", *table(["figure", "value"], rows)]


def _provenance(report: Report) -> list[str]:
    run = report.run
    versions = ", ".join(f"{prose(name, 40)} {prose(version, 60)}" for name, version in run.versions.items())
    lines = ["## Where this comes from", ""]
    lines += [f"- file: {code(run.file) or 'not noted'}"]
    lines += [f"- plan (sha256): {code(run.plan_sha256 or '') or 'not noted'}"]
    lines += [f"- seed: {'not noted' if run.seed is None else run.seed}"]
    lines += [f"- versions: {versions or 'not noted'}"]
    if not report.complete:
        lines += ["- the run log has no end: this is the story up to its last event"]
    if report.evidence:
        rows = [
            [code_cell(file.path), format_size(file.bytes or 0), code(file.sha256 or "") or "**unreadable**"]
            for file in report.evidence
        ]
        lines += ["", *table(["evidence", "size", "sha256"], rows, right=(1,))]
    return [
        *lines,
        "",
        "Made from the run log alone; `chaoslab report .` in the run folder makes it again, and `sha256sum` tells "
        "whether the evidence is what it was.",
    ]
