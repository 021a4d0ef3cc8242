"""References and warnings: what the engine would pass on or ignore in silence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from toolkit_files import CALL, PROBE, STEP, doubts, file_of, judged_by

from chaoslab.core.lint import warnings_of
from chaoslab.core.spec import parse_spec


def calling(**arguments: Any) -> dict[str, Any]:
    return {**STEP, "provider": {**CALL, "arguments": arguments}}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"method": [calling(x="${a}")]}, []),
        ({"method": [calling(x={"y": ["<${s}>"]})]}, []),
        ({"method": [calling(x="$${nothing}"), calling(x="$nothing")]}, []),
        ({"method": [{**STEP, "name": "one"}, calling(x="${one}")]}, []),
        ({"method": [{**STEP, "name": "one"}], "rollbacks": [calling(x="${one}")]}, []),
        (
            {"method": [calling(x="${aa}")]},
            [
                "method[0].provider.arguments.x: nothing provides `${aa}`, so it would stay as it is written; "
                "did you mean '${a}'? (write $${aa} for literal text)"
            ],
        ),
        (
            {"method": [calling(x="${zzzz}")]},
            [
                "method[0].provider.arguments.x: nothing provides `${zzzz}`, so it would stay as it is written; "
                "add it to `configuration`, or name an earlier step so (write $${zzzz} for literal text)"
            ],
        ),
        (
            {"method": [calling(x="${act}")]},
            [
                "method[0].provider.arguments.x: `${act}` is the output of a step that has not run by then; "
                "use it in a later step of the method"
            ],
        ),
        (
            {"method": [{**STEP, "name": "dump-it"}, calling(x="${dump-it}")]},
            [
                "method[1].provider.arguments.x: `${dump-it}` is never replaced: a name is letters, digits and _; "
                "rename 'dump-it' to 'dump_it'"
            ],
        ),
        (
            {"method": [calling(x="${a.b}")]},
            [
                "method[0].provider.arguments.x: `${a.b}` is never replaced: a name is letters, digits and _; "
                "only a whole value can be passed on, not a part of it"
            ],
        ),
        (
            {"method": [{**STEP, "provider": {"type": "process", "path": "${a}/run"}}]},
            [
                "method[0].provider.path: `${a}` is not replaced here; "
                "write the value itself; `arguments` can hold references"
            ],
        ),
        (
            judged_by({"type": "regex", "pattern": "${nn}"}),
            [
                "steady-state-hypothesis.probes[0].tolerance.pattern: nothing provides `${nn}`, "
                "so it would stay as it is written; add it to `configuration`, or name an earlier step so"
            ],
        ),
        (judged_by("${a}"), []),
        (
            {"method": [{**STEP, "pauses": {"before": "${nn}"}}]},
            [
                "method[0].pauses.before: nothing provides `${nn}`, so it would stay as it is written; "
                "add it to `configuration`, or name an earlier step so"
            ],
        ),
    ],
)
def test_references_are_resolved_as_the_engine_does(parts: dict[str, Any], expected: list[str]) -> None:
    known = {"configuration": {"a": 1}, "secrets": {"group": {"s": "x"}}}
    assert doubts(**known, **parts) == expected


def test_a_vault_may_hold_any_name() -> None:
    assert doubts(secrets={"g": {"type": "vault", "path": "p"}}, method=[calling(x="${any}")]) == []


def test_one_value_of_the_configuration_cannot_use_another() -> None:
    assert doubts(configuration={"a": 1, "b": "${a}/x"}) == [
        "configuration.b: one value of the configuration cannot use another; put the reference where the value is used"
    ]


def warned(**parts: Any) -> list[str]:
    return [str(problem) for problem in warnings_of(parse_spec(file_of(**parts), "a.json"))]


def test_a_fault_of_others_without_rollback_is_warned_of_once() -> None:
    found = warned(method=[STEP, {**STEP, "name": "again"}])
    assert found == [
        "a.json:5:3: method[0]: this action changes something, and the file has no rollbacks that would undo it; "
        "add a step that undoes it to `rollbacks`"
    ]
    assert warned(method=[STEP], rollbacks=[{**STEP, "name": "undo"}]) == []
    assert warned(method=[{**STEP, "type": "probe"}]) == []
    ours = {**CALL, "module": "chaoslab.process.actions"}
    assert warned(method=[{**STEP, "provider": ours}]) == []


def test_what_the_engine_ignores_is_warned_of() -> None:
    found = warned(method=[{**PROBE, "timeout": 5}])
    assert [line.split(": ", 1)[1] for line in found] == [
        "method[0].tolerance: is ignored: the engine checks tolerances in the hypothesis only; "
        "move the probe to the hypothesis",
        "method[0].timeout: is ignored here: the engine knows a time limit of the provider only; "
        "move it into `provider` (http and process have one)",
    ]


def terminating(**arguments: Any) -> dict[str, Any]:
    call = {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods", "arguments": arguments}
    return {"method": [{**STEP, "provider": call}], "rollbacks": [STEP]}


def test_pods_without_selector_are_warned_of() -> None:
    assert "every pod of the namespace default" in warned(**terminating())[0]
    assert "every pod of the namespace shop" in warned(**terminating(ns="shop", all=True))[0]
    assert warned(**terminating(label_selector="app=x")) == []


def test_a_step_that_hides_the_configuration_is_warned_of() -> None:
    found = warned(configuration={"act": 1}, method=[{**STEP, "type": "probe"}])
    assert found[0].endswith(
        "method[0].name: its output replaces the configuration's 'act' in every later step; give the step another name"
    )


def test_doubts_are_warnings_too() -> None:
    assert [problem.code for problem in warnings_of(parse_spec(file_of(rollback=[]), "a.json"))] == ["unknown-key"]
