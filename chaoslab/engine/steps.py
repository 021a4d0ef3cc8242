"""Steps of a run: which phase each belongs to, and its two events in the run log."""

import importlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chaoslib import substitute

from chaoslab.engine.outcomes import (
    NO_VALUES,
    Activity,
    Run,
    StepOutcome,
    Values,
    hypothesis_outcome_of,
    incomparable,
    outcome_of,
)
from chaoslab.runtime.fault import fault_of
from chaoslab.runtime.session import Session
from chaoslab.runtime.steps import Phase, phase_of

Section = Literal["before", "method", "after", "rollbacks"]
"""Where in the file an activity stands: the hypothesis before or after, the method, the rollbacks."""
_PHASES: Mapping[Section, Phase] = {"before": "baseline", "after": "verify", "rollbacks": "undo"}
_WHOLE_NAME = re.compile(r"\$\{(?P<name>[A-Za-z_][\w-]*)\}")


def phase(activity: Activity, section: Section) -> Phase:
    """Return the phase of an activity: by its place, by what its function says, or by its type."""
    if section in _PHASES:
        return _PHASES[section]
    function = function_of(activity)
    if function is not None:
        told = phase_of(function)
        if told is not None:
            return told
        if (fault := fault_of(function)) is not None:
            return "inject" if fault.role == "fault" else "recover"
    return "inject" if activity.get("type") == "action" else "verify"


def is_ours(activity: Activity) -> bool:
    """Say whether an activity calls a function that knows chaoslab's sessions."""
    function = function_of(activity)
    return function is not None and (phase_of(function) is not None or fault_of(function) is not None)


def function_of(activity: Activity) -> Any:
    """Return the Python function that an activity calls, or None when it calls none that can be found."""
    provider = activity.get("provider") or {}
    if provider.get("type") != "python":
        return None
    try:
        return getattr(importlib.import_module(provider["module"]), provider["func"], None)
    except Exception:
        return None  # what is wrong with it is told by the plan


def give_timeouts(experiment: Mapping[str, Any]) -> None:
    """Let a `timeout` beside the provider count: the engine reads only the one inside it, and has none for Python."""
    probes = (experiment.get("steady-state-hypothesis") or {}).get("probes") or ()
    for activity in (*probes, *(experiment.get("method") or ()), *(experiment.get("rollbacks") or ())):
        provider = activity.get("provider") or {}
        if "timeout" in activity and provider.get("type") in {"process", "http"}:
            provider.setdefault("timeout", activity["timeout"])


def unresolved_name(activity: Activity, configuration: Mapping[str, Any], secrets: Mapping[str, Any]) -> str:
    """Return the `${name}` that stands for a whole argument of a Python function and for no value, or ''.

    The engine would pass the text itself on, silently. Inside longer texts, and to programs, it may be meant so.
    """
    provider = activity.get("provider") or {}
    if provider.get("type") != "python":
        return ""
    arguments = substitute(provider.get("arguments") or {}, dict(configuration), dict(secrets))
    for value in _strings(arguments):
        if match := _WHOLE_NAME.fullmatch(value):
            return match["name"]
    return ""


@dataclass(slots=True)
class _Open:
    """A step that has begun; `run` is there once it is over and only its judgement is missing."""

    number: int
    activity: Activity
    section: Section
    start_s: float
    duration_s: float = 0.0
    run: Run | None = None


class StepLog:
    """Writes the steps of one run; background steps come from threads of their own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._count = 0
        self._local = threading.local()
        self._values = NO_VALUES
        self._phase = ""
        self._awaiting: _Open | None = None
        """A probe of the hypothesis whose tolerance the engine has not yet compared."""

    def know(self, configuration: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        """Take the engine's live values, for tolerances that refer to them."""
        self._values = Values(configuration, secrets)

    def begin(self, activity: Activity, section: Section) -> None:
        """Note that an activity begins in this thread."""
        self.settle()
        with self._lock:
            self._count += 1
            number = self._count
        name, belongs = str(activity.get("name")), phase(activity, section)
        durable, self._phase = belongs != self._phase, belongs
        self._session.log.append("step-started", durable=durable, step=number, name=name, phase=belongs)
        self._local.open = _Open(number, activity, section, self._session.now_s())

    def end(self, activity: Activity, run: Run, *, error: BaseException | None) -> StepOutcome | None:
        """Note that this thread's activity is over; return how it went, or None if that is not known yet."""
        step: _Open | None = getattr(self._local, "open", None)
        if step is None:
            return None
        self._local.open = None
        step.duration_s, step.run = self._session.now_s() - step.start_s, run
        if error is None and step.section in ("before", "after"):
            self._awaiting = step
            return None
        if error is None:
            outcome = outcome_of(activity, run, duration_s=step.duration_s, values=self._values)
        else:
            outcome = StepOutcome("failed", f"{type(error).__name__}: {error}".removesuffix(": "))
        outcome = self._unless_stopped(outcome, error)
        self._write_end(step, outcome)
        return outcome

    def settle(self, *, broken: bool = False) -> None:
        """Write the end of a hypothesis probe, now that its tolerance was compared, or that this broke the engine."""
        with self._lock:
            step, self._awaiting = self._awaiting, None
        if step is not None and step.run is not None:
            outcome = incomparable(step.run, self._values) if broken else hypothesis_outcome_of(step.run)
            self._write_end(step, self._unless_stopped(outcome))

    def _unless_stopped(self, outcome: StepOutcome, error: BaseException | None = None) -> StepOutcome:
        """Return how a step went; one that broke while the run was stopped was broken by that, whatever it raised."""
        if outcome.outcome == "failed" and (self._session.aborting or isinstance(error, KeyboardInterrupt)):
            return StepOutcome("aborted", self._session.aborting or "interrupted")
        return outcome

    def refuse(self, activity: Activity, section: Section, error: str) -> StepOutcome:
        """Note a step that may not even begin."""
        self.begin(activity, section)
        step: _Open = self._local.open
        self._local.open = None
        outcome = StepOutcome("failed", error)
        self._write_end(step, outcome)
        return outcome

    def _write_end(self, step: _Open, outcome: StepOutcome) -> None:
        self._session.log.append(
            "step-ended",
            step=step.number,
            name=str(step.activity.get("name")),
            phase=phase(step.activity, step.section),
            outcome=outcome.outcome,
            duration_s=round(step.duration_s, 6),
            error=outcome.error,
        )


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for item in items for text in _strings(item)]
