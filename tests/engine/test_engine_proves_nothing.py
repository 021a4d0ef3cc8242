"""A steady state that cannot fail proves nothing: the run is inconclusive, the plan and the check say so beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine_build import experiment, ours, probe, process, run_ours, toy

from chaoslab.core.checks.check import check_text
from chaoslab.core.checks.proving import why_nothing_is_proved
from chaoslab.core.errors import ExitCode
from chaoslab.core.spec import parse_spec
from chaoslab.engine.opening import Wishes
from chaoslab.engine.runner import plan_exercise
from chaoslab.engine.variables import given_of

CODE = "hypothesis-proves-nothing"
GOOD = probe("say", name="steady", word="steady", returns=True)
ACT = toy("say", word="a")


def program(path: str, *arguments: str, tolerance: Any = 0) -> dict[str, Any]:
    """Build a probe that calls a program."""
    return {**process(*arguments, path=path, name="asks", kind="probe"), "tolerance": tolerance}


def own(func: str, tolerance: Any, **arguments: Any) -> dict[str, Any]:
    """Build a probe that calls a step of ours which does not look at anything."""
    provider = {"type": "python", "module": "chaoslab.runtime.actions", "func": func, "arguments": arguments}
    return {"type": "probe", "name": "asks", "tolerance": tolerance, "provider": provider}


BLIND = {
    "true": program("true"),
    "echo": program("/bin/echo", "well", tolerance={"type": "regex", "target": "stdout", "pattern": "well"}),
    "wait": own("wait", {"type": "jsonpath", "path": "$.waited_s"}, duration="1ms"),
    "mark": own("mark", {"type": "jsonpath", "path": "$.mark", "expect": ["x"]}, name="x"),
    "any text": program("sh", "-c", "exit 3", tolerance={"type": "regex", "target": "stdout", "pattern": ".*"}),
    "any exit code": program("sh", "-c", "exit 3", tolerance={"type": "range", "target": "status", "range": [0, 255]}),
    "any answer": program("sh", "-c", "exit 3", tolerance={"type": "jsonpath", "path": "$.status"}),
}


@pytest.mark.parametrize("blind", BLIND.values(), ids=BLIND)
def test_a_steady_state_that_cannot_fail_is_inconclusive(tmp_path: Path, blind: dict[str, Any]) -> None:
    built = experiment(ACT, probes=[blind])
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert [(found.code, found.severity) for found in outcome.record.findings] == [(CODE, "unknown")]
    assert outcome.record.hypothesis == {"before": True, "after": True}
    text = json.dumps(built)
    planned = plan_exercise(parse_spec(text, "toy.json"), given_of(), Wishes(reports=tmp_path)).plan
    assert any("no probe of the steady state can fail (asks)" in warning for warning in planned.warnings)
    assert {found.code for found in check_text(text, "toy.json").findings} & {"proves-nothing", "always-met"}


@pytest.mark.parametrize(
    "built",
    [
        experiment(ACT, probes=[BLIND["true"], GOOD]),
        experiment({**ACT, "type": "probe", "tolerance": True}, process("-c", "true"), probes=[BLIND["true"]]),
        experiment(ACT, probes=[program("sh", "-c", "exit 0")]),
        experiment(ACT, probes=[program("true", tolerance={**toy("judge", kind="probe"), "type": "probe"})]),
    ],
    ids=["another probe", "the method asks", "a program that nobody knows", "another judge"],
)
def test_what_might_fail_is_taken_for_something(built: dict[str, Any]) -> None:
    assert why_nothing_is_proved(parse_spec(json.dumps(built), "toy.json")) == ""


def test_with_an_objective_the_steady_state_is_not_all(tmp_path: Path) -> None:
    probers = [{"name": "api", "url": "http://127.0.0.1:9/", "rate_hz": 50}]
    built = ours(experiment(ACT, probes=[BLIND["true"]]), probers=probers, objectives={"availability": "1%"})
    outcome = run_ours(built, tmp_path)
    assert CODE not in {found.code for found in outcome.record.findings}
    assert outcome.exit_code != ExitCode.PASSED
