"""How a step went: stricter than the engine."""

from __future__ import annotations

from typing import Any

import pytest
from engine_build import process, toy

from chaoslab.engine.outcomes import OK, error_of, hypothesis_outcome_of, outcome_of

HTTP = {"type": "action", "name": "call", "provider": {"type": "http", "url": "http://h"}}


def done(output: Any = None) -> dict[str, Any]:
    """Return a run that the engine calls succeeded."""
    return {"status": "succeeded", "output": output}


@pytest.mark.parametrize(
    ("activity", "output", "outcome", "error"),
    [
        (toy("say", word="a"), None, "ok", ""),
        (process("x"), {"status": 0, "stderr": ""}, "ok", ""),
        (process("x"), {"status": 3, "stderr": "first\nlast line\n"}, "failed", "exit code 3: last line"),
        (process("x", kind="probe"), {"status": 3, "stderr": ""}, "ok", ""),
        ({**process("x"), "tolerance": 3}, {"status": 3, "stderr": ""}, "ok", ""),
        (HTTP, {"status": 204}, "ok", ""),
        (HTTP, {"status": 503}, "failed", "answered 503"),
        (
            {**toy("say", word="a", kind="probe"), "tolerance": True},
            False,
            "deviated",
            "it answered False, and must answer True",
        ),
        ({**toy("say", word="a", kind="probe"), "tolerance": [1, 2]}, "x", "failed", "cannot be compared"),
        ({**toy("say", word="a"), "timeout": 1}, None, "failed", "took 1.5 s, and its timeout is 1 s"),
    ],
)
def test_a_finished_step(activity: dict[str, Any], output: Any, outcome: str, error: str) -> None:
    told = outcome_of(activity, done(output), duration_s=1.5)
    assert told.outcome == outcome
    assert error in told.error


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("chaoslib.exceptions.ActivityFailed: RuntimeError: no", "RuntimeError: no"),
        ("chaoslib.exceptions.ActivityFailed: chaoslab.core.errors.Residue: cannot undo it", "cannot undo it"),
        ("chaoslib.exceptions.ActivityFailed: process activity took too long to complete", "process activity took"),
        ("chaoslib.exceptions.ActivityFailed: kubernetes.client.ApiException: (403)", "ApiException: (403)"),
        ("chaoslib.exceptions.ActivityFailed: KeyError", "KeyError"),
    ],
)
def test_why_an_activity_failed(line: str, told: str) -> None:
    assert error_of({"exception": ["Traceback\n", line + "\n"]}).startswith(told)


def test_probes_of_a_hypothesis() -> None:
    activity = {"tolerance": True}
    assert hypothesis_outcome_of({**done(True), "tolerance_met": True, "activity": activity}) == OK
    assert hypothesis_outcome_of({**done(1), "tolerance_met": False, "activity": activity}).outcome == "deviated"
    assert hypothesis_outcome_of({**done(1), "activity": activity}).outcome == "failed"
    assert hypothesis_outcome_of({"status": "failed", "exception": ["X: no"]}).outcome == "failed"
