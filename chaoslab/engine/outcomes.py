"""How a step went: what Chaos Toolkit notes about an activity, read with a stricter eye.

It calls an activity succeeded that exited non-zero, answered 500, missed its own tolerance, or took longer
than its timeout. Here these are what they are.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from chaoslib import substitute
from chaoslib.exceptions import ActivityFailed
from chaoslib.hypothesis import within_tolerance

from chaoslab.core.errors import BadUsage

Activity = Mapping[str, Any]
Run = Mapping[str, Any]
_HTTP_ERRORS = 400
_CLASS = re.compile(r"^(?P<module>(?:\w+\.)*)(?P<name>\w+)(?:: (?P<message>.*))?$", re.DOTALL)


class StepOutcome(NamedTuple):
    """How a step went, and why when it did not go well."""

    outcome: Literal["ok", "failed", "deviated", "aborted"]
    error: str = ""


OK = StepOutcome("ok")


class Values(NamedTuple):
    """What `${names}` stand for at the moment."""

    configuration: Mapping[str, Any]
    secrets: Mapping[str, Any]


NO_VALUES = Values({}, {})


def outcome_of(activity: Activity, run: Run, *, duration_s: float, values: Values = NO_VALUES) -> StepOutcome:
    """Judge a finished activity of a method or of rollbacks by what it returned; `duration_s` in seconds."""
    if run.get("status") != "succeeded":
        return StepOutcome("aborted" if _was_asked_wrongly(run) else "failed", error_of(run))
    timeout_s = activity.get("timeout")
    if isinstance(timeout_s, int | float) and duration_s > timeout_s:
        return StepOutcome("failed", f"took {duration_s:.1f} s, and its timeout is {timeout_s:g} s")
    if "tolerance" in activity:
        return _within(activity["tolerance"], run.get("output"), values)
    if activity.get("type") == "action":
        return answer_of(activity, run.get("output"))
    return OK


def hypothesis_outcome_of(run: Run) -> StepOutcome:
    """Judge a probe of the hypothesis by what the engine has noted about it."""
    if run.get("status") != "succeeded":
        return StepOutcome("failed", error_of(run))
    match run.get("tolerance_met"):
        case True:
            return OK
        case False:
            tolerance = run["activity"].get("tolerance")
            return StepOutcome("deviated", _deviation(run.get("output"), tolerance))
        case _:
            return StepOutcome("failed", "its output cannot be compared with its tolerance")


def incomparable(run: Run, values: Values) -> StepOutcome:
    """Judge a probe of the hypothesis whose tolerance broke the engine, which has noted it as met before it looked."""
    tolerance = run["activity"].get("tolerance")
    if run.get("status") != "succeeded" or (isinstance(tolerance, Mapping) and tolerance.get("type") == "probe"):
        return hypothesis_outcome_of({**run, "tolerance_met": None})  # a judging probe is not called once more
    compared = _within(tolerance, run.get("output"), values)
    return compared if compared.outcome == "failed" else hypothesis_outcome_of({**run, "tolerance_met": None})


def _deviation(output: Any, tolerance: Any) -> str:
    """Say how an output deviates; of a probe that answers yes or no, in words that a person reads at once."""
    if isinstance(output, bool) and isinstance(tolerance, bool):
        return f"it answered {shown(output)}, and must answer {shown(tolerance)}"
    return f"{shown(output)} is not within {shown(tolerance)}"


def answer_of(activity: Activity, output: Any) -> StepOutcome:
    """Judge what an action returned: a program's exit code, a server's status."""
    kind = activity["provider"]["type"]
    if kind == "python" or not isinstance(output, Mapping):
        return OK
    status = output.get("status")
    if kind == "process" and status != 0:
        last = str(output.get("stderr", "")).strip().rpartition("\n")[2]
        return StepOutcome("failed", f"exit code {status}" + (f": {last}" if last else ""))
    if kind == "http" and isinstance(status, int) and status >= _HTTP_ERRORS:
        return StepOutcome("failed", f"answered {status}")
    return OK


def error_of(run: Run) -> str:
    """Return why an activity failed, without the engine's wrapping and without the names of our own classes."""
    lines = run.get("exception") or ["interrupted"]
    text = str(lines[-1]).strip().removeprefix("chaoslib.exceptions.ActivityFailed: ")
    match = _CLASS.match(text)
    if match is None or not match["message"]:
        return text
    ours = match["module"].startswith("chaoslab.")
    return match["message"] if ours else f"{match['name']}: {match['message']}"


def _was_asked_wrongly(run: Run) -> bool:
    """Say whether one of our functions has refused its arguments, which tells nothing about the system under test."""
    return f"{BadUsage.__module__}.{BadUsage.__name__}: " in str((run.get("exception") or [""])[-1])


def shown(value: Any) -> str:
    """Return a value in a few words."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _within(tolerance: Any, output: Any, values: Values) -> StepOutcome:
    configuration, secrets = dict(values.configuration), dict(values.secrets)
    try:
        wanted = substitute(tolerance, configuration, secrets) if isinstance(tolerance, str) else tolerance
        met = within_tolerance(wanted, output, configuration=configuration, secrets=secrets)
    except (TypeError, ValueError, KeyError, AttributeError, ActivityFailed) as error:
        return StepOutcome("failed", f"its output cannot be compared with its tolerance: {error}{_hint(output)}")
    return OK if met else StepOutcome("deviated", _deviation(output, tolerance))


def _hint(output: Any) -> str:
    """Say what the engine made of an answer in JSON, at which a pattern breaks."""
    is_read = isinstance(output, Mapping) and isinstance(output.get("body"), Mapping | list)
    return "; the engine has read the body as JSON, so compare it by a jsonpath" if is_read else ""
