"""The report as data: what `report.json` holds, and the one source of its JSON schema.

Once released it only grows. A field's type says how it cleans what it takes in: `Annotated[str, readable]`. Plain
dataclasses, because every run makes a report: pydantic takes longer to load than an empty run does. It reads the same
types where the schema is made.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

from chaoslab.core.objective import Bound, Unit
from chaoslab.report import clean
from chaoslab.report.fields import (
    Amount,
    MaybeNumber,
    MaybeSeconds,
    MaybeText,
    MaybeWhole,
    Number,
    Part,
    Seconds,
    SecondsByName,
    Text,
    TextByName,
    Texts,
    Value,
    Whole,
    WholeByName,
    YesOrNo,
)

SCHEMA: Literal["chaoslab.report/1"] = "chaoslab.report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Part):
    """Which run this was."""

    id: Text
    slug: Text
    """The catalog name, as `chaoslab run` takes it."""
    title: Text
    description: Text
    """What the file says that it does, and what passing proves."""
    kind: Text
    """`experiment` or `drill`."""
    started_at: Text
    """UTC, by the wall clock: a label. All times below are seconds since then, by the monotonic clock."""
    ended_at: Text
    """UTC; of a run that was cut off, the instant of its last event."""
    duration_s: Seconds
    host: Text
    versions: TextByName
    seed: MaybeWhole
    """The seed of its choices: the same seed makes the same ones."""
    plan_sha256: MaybeText
    file: Text
    """The file that was run."""
    targets: Texts
    """What it was let loose on."""
    blast_radius: Text
    """What the file says that it may harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(Part):
    """A figure between its bounds."""

    low: MaybeNumber
    """null: nothing was measured."""
    high: MaybeNumber
    """null: nothing bounds it from above, or nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveResult(Part):
    """One promise, held against what was measured."""

    name: Text
    """rto, rpo, recovery, detection, availability, latency_pN."""
    objective: Number
    """The target, in `unit`."""
    bound: Annotated[Bound, clean.one_of(*get_args(Bound))]
    unit: Annotated[Unit, clean.one_of(*get_args(Unit))]
    """`s` (seconds), or `share`: from 0 to 1."""
    of: MaybeText
    """The prober whose samples answer it."""
    when: MaybeText
    """before, during or after the fault, when only samples of that phase answer it; null: from the fault on."""
    actual: Interval
    margin: MaybeNumber
    """From the worse bound to the target, in `unit`: negative when missed, null when unknown or boundless."""
    outcome: Literal["met", "missed", "unknown"]
    reason: Text
    """Why it is missed or unknown; '' when met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult(Part):
    """One step as it went."""

    number: Whole
    name: Text
    phase: Text
    """baseline, inject, recover, verify, undo, teardown."""
    outcome: Text
    """ok, failed, deviated, aborted; running: the run ended in the middle of it."""
    start_s: Seconds
    duration_s: Seconds
    error: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingResult(Part):
    """One thing that is wrong, missing, or worth knowing."""

    code: Text
    """A stable kebab-case word."""
    severity: Text
    """failure (the run failed), unknown (evidence is missing), warning, note."""
    where: Text
    message: Text
    expected: Value
    actual: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultResult(Part):
    """One thing that the run did to the world, and how it was undone."""

    entry: Whole
    """Its number in the undo ledger."""
    name: Text
    target: Text
    role: Text
    """fault, scratch (a thing the run made), rollback (of a file written for plain Chaos Toolkit)."""
    intended_s: Seconds
    injected_s: MaybeSeconds
    """null: it was announced and never done."""
    effective: Annotated[bool | None, clean.maybe(clean.yes_or_no)]
    """Whether it was seen to bite; null: not asked."""
    effective_s: MaybeSeconds
    undone_s: MaybeSeconds
    """null: residue."""
    undone_by: MaybeText
    """run, reaper, undo; itself: it was over as soon as it bit, so there was nothing to undo."""
    undo_took_s: Seconds
    """How long the undo was at work until undone_s: somewhere in this time the fault ended."""
    ttl_s: MaybeSeconds
    """After which time its reaper undoes it without being told."""
    undo: Text
    """The function that undoes it, `package.module:function`."""
    error: Text
    """Why the last attempt to undo it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Part):
    """One measured figure."""

    value: Amount
    """A number, or [low, high] where only bounds are known; null: boundless."""
    unit: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult(Part):
    """One of several alike that the run dealt with: a database of a fleet, a backup of a store."""

    name: Text
    outcome: Literal["ok", "failed", "unknown"]
    findings: Texts
    """The codes of the findings in it, notes left out, each once: their `where` is `NAME` or begins with `NAME/`."""
    figures: Annotated[dict[str, Any], clean.json_safe]
    """What was measured of it, units last: `dump_s`, `restore_s`, `verified_s`, `dump_bytes`, `rows`; or a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase(Part):
    """A stretch of the way from the disaster to *verified*."""

    name: Text
    """detect, fetch, provision, restore, serve, verify."""
    start_s: Seconds
    duration_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Part):
    """The samples of one prober in one stretch of the run."""

    name: Literal["before", "during", "after", "whole"]
    start_s: Seconds
    end_s: Seconds
    count: Whole
    good: Whole
    p50_s: MaybeSeconds
    """Percentiles of the good answers' latency, from the instant they were due: never too low, and too high by
    `percentile_error` at most; null: none was good."""
    p95_s: MaybeSeconds
    p99_s: MaybeSeconds
    max_s: MaybeSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket(Part):
    """The samples of one column of a chart."""

    count: Whole
    good: Whole
    max_s: MaybeSeconds
    """The slowest good answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProberResult(Part):
    """What one prober saw."""

    name: Text
    count: Whole
    good: Whole
    first_bad_s: MaybeSeconds
    last_bad_s: MaybeSeconds
    notes: WholeByName
    """What was wrong, and how often: `timeout`, `503` ...; the ten most frequent."""
    windows: list[Window]
    bucket_s: Seconds
    """The width of a bucket."""
    buckets: list[Bucket]
    """Equal stretches from the first sample on."""
    stalled_s: Seconds
    """How long the prober itself stood still, in all: what happened then, its samples do not tell."""
    longest_stall_s: Seconds
    percentile_error: Number
    """How much too high a percentile may be, as a share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Part):
    """A guard that said no."""

    guard: Text
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Part):
    """A file of the run folder, as it was when the report was made."""

    path: Text
    """Relative to the run folder."""
    sha256: MaybeText
    """null: it could not be read."""
    bytes: MaybeWhole


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Part):
    """Everything that a reader, a CI job or an auditor is told about one run."""

    schema: Literal["chaoslab.report/1"] = SCHEMA
    run: Run
    outcome: Literal["passed", "failed", "inconclusive", "refused", "interrupted", "skipped"]
    reasons: Texts
    """Why it did not pass, the weightiest first."""
    exit_code: Whole
    residue: list[FaultResult]
    """What was not undone."""
    objectives: list[ObjectiveResult]
    steps: list[StepResult]
    findings: list[FindingResult]
    faults: list[FaultResult]
    marks: SecondsByName
    """`disaster_s`, `detected_s`, `verified_s` ...: the first instant of each."""
    figures: dict[str, Figure]
    parts: list[PartResult]
    """One for each database of a fleet or backup of a store, in the order in which they came up."""
    rto_phases: list[Phase]
    """Where the time to recover went."""
    probers: list[ProberResult]
    hypothesis: Annotated[dict[str, bool], clean.by_name(clean.yes_or_no)]
    """`before`, `after`: whether the steady state was met; absent: not asked."""
    refusals: list[Refusal]
    interruption: Text
    """What cut the run off; '' when nothing did."""
    skipped: Text
    """Why it was not to run; '' when it did."""
    complete: YesOrNo
    """False when the run log has no end: the runner died, or is still at work."""
    evidence: list[Evidence]
    """The files that this was made from. The reports themselves are not among them."""

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON data, in the order of the contract."""
        return asdict(self)
