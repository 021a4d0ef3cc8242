"""References and warnings: what the engine would pass on or ignore in silence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from toolkit_files import CALL, STEP, doubts, judged_by


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
