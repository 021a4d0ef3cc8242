"""What happened in a run, rebuilt from the events of its run log alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chaoslab.core.objective import Objective
from chaoslab.core.samples import Sample, Samples, Stall

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One step as it went."""

    number: int
    name: str
    phase: str
    outcome: str
    """ok, failed, deviated, aborted; or running, when the run ended in the middle of it."""
    start_s: float
    duration_s: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class FaultTrace:
    """One ledger entry as it went: a fault, a scratch thing or a foreign rollback."""

    entry: int
    name: str
    target: str
    role: str
    undo: str
    ttl_s: float
    intended_s: float
    injected_s: float | None = None
    effective: bool | None = None
    effective_s: float | None = None
    undone_s: float | None = None
    undone_by: str = ""
    error: str = ""
    undo_took_s: float = 0.0
    """How long the undo was at work until `undone_s`: from its beginning on the fault may have been gone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, missing, or worth knowing."""

    code: str
    severity: str
    where: str
    message: str
    expected: Any = None
    actual: Any = None


@dataclass(frozen=True, slots=True)
class PartTrace:
    """One of several alike that a run deals with: a database of a fleet, a backup of a store."""

    name: str
    outcome: str
    """ok, failed, unknown."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What was measured of it or is to be known: `restore_s`, `rows`, a word."""


@dataclass(frozen=True, slots=True)
class Record:
    """A run, whole or cut off."""

    run: Mapping[str, Any]
    objectives: tuple[Objective, ...] = ()
    targets: tuple[str, ...] = ()
    """What the run was let loose on, for people: `postgres db-1:5432/shop`."""
    steps: tuple[StepTrace, ...] = ()
    faults: tuple[FaultTrace, ...] = ()
    findings: tuple[Finding, ...] = ()
    marks: Mapping[str, float] = field(default_factory=dict)
    """The first instant of each name, in seconds of the run."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Name -> {value, unit}; the last of a name counts."""
    parts: tuple[PartTrace, ...] = ()
    """In the order in which each was first named; of what was said twice the last counts."""
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    """What each prober saw, in the order in which its questions were due."""
    stalls: Mapping[str, tuple[Stall, ...]] = field(default_factory=dict)
    """When each prober itself stood still; a prober that never did is left out."""
    hypothesis: Mapping[str, bool] = field(default_factory=dict)
    """`before` and `after` -> whether the steady state was met; absent means not asked."""
    refusals: tuple[tuple[str, str], ...] = ()
    """The guards that refused, each with its reason."""
    interruption: str = ""
    """Why the run was cut off: a signal, the runner's death; '' when it was not."""
    ended: bool = False
    """True when the log has its last event."""
    skipped: str = ""
    duration_s: float = 0.0
    ended_at: str = ""

    @property
    def residue(self) -> tuple[FaultTrace, ...]:
        """What was intended and is not undone."""
        return tuple(fault for fault in self.faults if fault.undone_s is None)

    @property
    def injected(self) -> tuple[FaultTrace, ...]:
        """The faults, scratch things left out, that were injected."""
        return tuple(fault for fault in self.faults if fault.role == "fault" and fault.injected_s is not None)


def record_of(events: Iterable[Event]) -> Record:
    """Rebuild what happened from the run log's events, in their order.

    Raises:
        ValueError: there is no first event, so nothing says which run this was.
    """
    builder = _Builder()
    for event in events:
        builder.take(event)
    return builder.finish()


class _Builder:
    """Collects events; each kind has the method of its name."""

    def __init__(self) -> None:
        self._first: Event | None = None
        self._last: Event = {}
        self._steps: dict[int, StepTrace] = {}
        self._faults: dict[int, FaultTrace] = {}
        self._findings: list[Finding] = []
        self._marks: dict[str, float] = {}
        self._figures: dict[str, Any] = {}
        self._parts: dict[str, PartTrace] = {}
        self._samples: dict[str, Samples] = {}
        self._stalls: dict[str, list[Stall]] = {}
        self._hypothesis: dict[str, bool] = {}
        self._refusals: list[tuple[str, str]] = []
        self._interruption = ""
        self._skipped = ""
        self._ended = False

    def take(self, event: Event) -> None:
        if not self._ended and event.get("by") != "undo":  # what is undone on a later day makes no run longer
            self._last = event
        method = getattr(self, "_on_" + str(event["kind"]).replace("-", "_"), None)
        if method is not None:
            method(event)

    def finish(self) -> Record:
        if self._first is None:
            raise ValueError("the run log has no first event: it does not say which run this was")
        return Record(
            run=dict(self._first["run"]),
            objectives=tuple(Objective(**fields) for fields in self._first.get("objectives", ())),
            targets=tuple(str(target) for target in self._first.get("targets", ())),
            steps=tuple(self._steps.values()),
            faults=tuple(self._faults.values()),
            findings=tuple(self._findings),
            marks=self._marks,
            figures=self._figures,
            parts=tuple(self._parts.values()),
            samples=self._samples,
            stalls={name: tuple(sorted(known)) for name, known in self._stalls.items()},
            hypothesis=self._hypothesis,
            refusals=tuple(self._refusals),
            interruption=self._interruption or ("" if self._ended else "the runner died"),
            ended=self._ended,
            skipped=self._skipped,
            duration_s=float(self._last["mono_s"]),
            ended_at=str(self._last["at"]),
        )

    def _on_run_started(self, event: Event) -> None:
        self._first = event

    def _on_run_ended(self, event: Event) -> None:
        self._ended = True

    def _on_step_started(self, event: Event) -> None:
        number = event["step"]
        self._steps[number] = StepTrace(number, event["name"], event["phase"], "running", event["mono_s"], 0.0)

    def _on_step_ended(self, event: Event) -> None:
        if (begun := self._steps.get(event["step"])) is not None:
            self._steps[event["step"]] = replace(
                begun, outcome=event["outcome"], duration_s=event["duration_s"], error=event.get("error") or ""
            )

    def _on_hypothesis(self, event: Event) -> None:
        self._hypothesis[event["when"]] = bool(event["met"]) and self._hypothesis.get(event["when"], True)

    def _on_fault_intended(self, event: Event) -> None:
        entry = event["entry"]
        self._faults[entry] = FaultTrace(
            entry, event["name"], event["target"], event["role"], event["undo"], event["ttl_s"], event["mono_s"]
        )

    def _change_fault(self, event: Event, **fields: Any) -> None:
        if event["entry"] in self._faults:
            self._faults[event["entry"]] = replace(self._faults[event["entry"]], **fields)

    def _on_fault_injected(self, event: Event) -> None:
        self._change_fault(event, injected_s=event["mono_s"])

    def _on_fault_effective(self, event: Event) -> None:
        bit = bool(event["effective"])
        self._change_fault(event, effective=bit, effective_s=event["mono_s"] if bit else None)

    def _on_fault_undone(self, event: Event) -> None:
        self._change_fault(
            event,
            undone_s=event["mono_s"],
            undone_by=event["by"],
            error="",
            undo_took_s=float(event.get("took_s", 0.0)),
        )

    def _on_fault_undo_failed(self, event: Event) -> None:
        self._change_fault(event, error=event["error"])

    def _on_mark(self, event: Event) -> None:
        self._marks.setdefault(event["name"], float(event.get("at_s", event["mono_s"])))

    def _on_figure(self, event: Event) -> None:
        self._figures[event["name"]] = {"value": event["value"], "unit": event["unit"]}

    def _on_part(self, event: Event) -> None:
        name = event["name"]
        known = self._parts[name].figures if name in self._parts else {}
        self._parts[name] = PartTrace(name, event["outcome"], {**known, **event["figures"]})

    def _on_finding(self, event: Event) -> None:
        fields = {name: event.get(name) for name in ("code", "severity", "where", "message", "expected", "actual")}
        self._findings.append(Finding(**fields))  # type: ignore[arg-type]

    def _on_samples(self, event: Event) -> None:
        taken = self._samples.setdefault(event["prober"], Samples())
        for at_s, latency_s, good, *note in event["batch"]:
            taken.add(Sample(at_s, latency_s, bool(good), *note))

    def _on_stalls(self, event: Event) -> None:
        self._stalls.setdefault(event["prober"], []).extend(Stall(*stretch) for stretch in event["batch"])

    def _on_refused(self, event: Event) -> None:
        self._refusals.append((event["guard"], event["reason"]))

    def _on_skipped(self, event: Event) -> None:
        self._skipped = str(event["reason"])

    def _on_interrupted(self, event: Event) -> None:
        self._interruption = self._interruption or str(event["reason"])
