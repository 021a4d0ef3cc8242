"""The report as data: what `report.json` holds, and the one source of its JSON schema.

Once released it only grows. Every part cleans what it takes in: whatever a log says, what comes out is JSON that any
parser reads (no NaN, no infinity, no half of a surrogate pair).
"""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

SCHEMA: Literal["chaoslab.report/1"] = "chaoslab.report/1"
_DIGITS = 6
"""Microseconds: what the run log has."""


def readable(value: Any) -> str:
    """Return text that can be written as UTF-8; nothing becomes ''."""
    text = "" if value is None else str(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def finite(value: Any) -> Any:
    """Return the number, or None where it is infinite or no number at all."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_safe(value: Any) -> Any:
    """Return JSON data; a NaN found in a table is evidence, so it stays, as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, dict):
        return {readable(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    return readable(value)


def _microseconds(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _text_or_none(value: Any) -> str | None:
    return None if value is None else readable(value)


def _figure(value: Any) -> Any:
    return [finite(end) for end in value] if isinstance(value, list | tuple) else finite(value)


Text = Annotated[str, BeforeValidator(readable)]
MaybeText = Annotated[str | None, BeforeValidator(_text_or_none)]
Seconds = Annotated[float, AfterValidator(_microseconds)]
MaybeSeconds = Annotated[float | None, BeforeValidator(finite), AfterValidator(_microseconds)]
MaybeNumber = Annotated[float | None, BeforeValidator(finite)]
Amount = Annotated[float | int | tuple[float | None, float | None] | None, BeforeValidator(_figure)]
Value = Annotated[JsonValue, BeforeValidator(json_safe)]


class Part(BaseModel):
    """What all parts of a report have in common."""

    model_config = ConfigDict(
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_by_name=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
    )


class Run(Part):
    """Which run this was."""

    id: Text
    slug: Text
    """The catalog name, as `chaoslab run` takes it."""
    title: Text
    kind: Text
    """`experiment` or `drill`."""
    started_at: Text
    """UTC, by the wall clock: a label. All times below are seconds since then, by the monotonic clock."""
    ended_at: Text
    """UTC; of a run that was cut off, the instant of its last event."""
    duration_s: Seconds
    host: Text
    versions: dict[Text, Text]
    seed: int | None
    """The seed of its choices: the same seed makes the same ones."""
    plan_sha256: MaybeText
    file: Text
    """The file that was run."""
    targets: list[Text]
    """What it was let loose on."""
    blast_radius: Text
    """What the file says that it may harm."""


class Interval(Part):
    """A figure between its bounds."""

    low: MaybeNumber
    """null: nothing was measured."""
    high: MaybeNumber
    """null: nothing bounds it from above, or nothing was measured."""


class ObjectiveResult(Part):
    """One promise, held against what was measured."""

    name: Text
    """rto, rpo, recovery, detection, availability, latency_pN."""
    objective: float
    """The target, in `unit`."""
    bound: Literal["at_most", "at_least"]
    unit: Literal["s", "share"]
    """`s` (seconds), or `share`: from 0 to 1."""
    of: MaybeText
    """The prober whose samples answer it."""
    actual: Interval
    margin: MaybeNumber
    """From the worse bound to the target, in `unit`: negative when missed, null when unknown or boundless."""
    outcome: Literal["met", "missed", "unknown"]
    reason: Text
    """Why it is missed or unknown; '' when met."""


class StepResult(Part):
    """One step as it went."""

    number: int
    name: Text
    phase: Text
    """baseline, inject, recover, verify, undo, teardown."""
    outcome: Text
    """ok, failed, deviated, aborted; running: the run ended in the middle of it."""
    start_s: Seconds
    duration_s: Seconds
    error: Text


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


class FaultResult(Part):
    """One thing that the run did to the world, and how it was undone."""

    entry: int
    """Its number in the undo ledger."""
    name: Text
    target: Text
    role: Text
    """fault, scratch (a thing the run made), rollback (of a file written for plain Chaos Toolkit)."""
    intended_s: Seconds
    injected_s: MaybeSeconds
    """null: it was announced and never done."""
    effective: bool | None
    """Whether it was seen to bite; null: not asked."""
    effective_s: MaybeSeconds
    undone_s: MaybeSeconds
    """null: residue."""
    undone_by: MaybeText
    """run, reaper, undo."""
    ttl_s: MaybeSeconds
    """After which time its reaper undoes it without being told."""
    undo: Text
    """The function that undoes it, `package.module:function`."""
    error: Text
    """Why the last attempt to undo it failed."""


class Figure(Part):
    """One measured figure."""

    value: Amount
    """A number, or [low, high] where only bounds are known; null: boundless."""
    unit: Text


class Phase(Part):
    """A stretch of the way from the disaster to *verified*."""

    name: Text
    """detect, fetch, provision, restore, serve, verify."""
    start_s: Seconds
    duration_s: Seconds


class Window(Part):
    """The samples of one prober in one stretch of the run."""

    name: Literal["before", "during", "after", "whole"]
    start_s: Seconds
    end_s: Seconds
    count: int
    good: int
    p50_s: MaybeSeconds
    """Percentiles of the good answers' latency, from the instant they were due; null: none was good."""
    p95_s: MaybeSeconds
    p99_s: MaybeSeconds
    max_s: MaybeSeconds


class Bucket(Part):
    """The samples of one column of a chart."""

    count: int
    good: int
    max_s: MaybeSeconds
    """The slowest good answer."""


class ProberResult(Part):
    """What one prober saw."""

    name: Text
    count: int
    good: int
    first_bad_s: MaybeSeconds
    last_bad_s: MaybeSeconds
    notes: dict[Text, int]
    """What was wrong, and how often: `timeout`, `503` ...; the ten most frequent."""
    windows: list[Window]
    bucket_s: Seconds
    """The width of a bucket."""
    buckets: list[Bucket]
    """Equal stretches from the first sample on."""


class Refusal(Part):
    """A guard that said no."""

    guard: Text
    reason: Text


class Evidence(Part):
    """A file of the run folder, as it was when the report was made."""

    path: Text
    """Relative to the run folder."""
    sha256: MaybeText
    """null: it could not be read."""
    bytes: int | None


class Report(Part):
    """Everything that a reader, a CI job or an auditor is told about one run."""

    schema_: Literal["chaoslab.report/1"] = Field(default=SCHEMA, alias="schema")
    run: Run
    outcome: Literal["passed", "failed", "inconclusive", "refused", "interrupted", "skipped"]
    reasons: list[Text]
    """Why it did not pass, the weightiest first."""
    exit_code: int
    residue: list[FaultResult]
    """What was not undone."""
    objectives: list[ObjectiveResult]
    steps: list[StepResult]
    findings: list[FindingResult]
    faults: list[FaultResult]
    marks: dict[Text, Seconds]
    """`disaster_s`, `detected_s`, `verified_s` ...: the first instant of each."""
    figures: dict[Text, Figure]
    rto_phases: list[Phase]
    """Where the time to recover went."""
    probers: list[ProberResult]
    hypothesis: dict[Text, bool]
    """`before`, `after`: whether the steady state was met; absent: not asked."""
    refusals: list[Refusal]
    interruption: Text
    """What cut the run off; '' when nothing did."""
    skipped: Text
    """Why it was not to run; '' when it did."""
    complete: bool
    """False when the run log has no end: the runner died, or is still at work."""
    evidence: list[Evidence]
    """The files that this was made from. The reports themselves are not among them."""
