"""Whatever stands in a file, reading it gives a spec or a BadFile, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.core.checks.check import findings_of
from chaoslab.core.errors import BadFile
from chaoslab.core.spec import parse_spec

CALL = {"type": "python", "module": "a.b", "func": "c", "arguments": {"x": "${source}", "y": ["${one}"]}}
GOOD: dict[str, Any] = {
    "title": "t",
    "description": "d",
    "tags": ["a"],
    "configuration": {
        "source": {"type": "env", "key": "S", "default": "x"},
        "p": {"type": "probe", "provider": {**CALL, "arguments": {}}},
    },
    "secrets": {"g": {"s": {"type": "env", "key": "K"}}},
    "runtime": {"rollbacks": {"strategy": "always"}},
    "controls": [{"name": "chaoslab", "provider": {"type": "python", "module": "chaoslab.engine.control"}}],
    "extensions": [
        {
            "name": "chaoslab",
            "kind": "drill",
            "domain": "postgres",
            "needs": ["root"],
            "objectives": {"rto": "2h", "recovery": {"at_most": "5s", "of": "api"}, "availability": "95%"},
            "targets": [{"kind": "postgres", "address": "${source}"}],
            "blast_radius": "none",
            "guards": {"free_disk": "1GiB", "allow": ["*"]},
            "probers": [{"name": "api", "url": "http://${source}", "rate_hz": 5, "timeout": "1s", "expect": [200]}],
            "tripwires": [
                {"prober": "api", "bad_for": "1s"},
                {"probe": {"module": "a", "func": "b", "arguments": {}}, "every": "1s", "bad_for": "1s"},
            ],
        }
    ],
    "steady-state-hypothesis": {
        "title": "h",
        "probes": [
            {"type": "probe", "name": "a", "tolerance": {"type": "regex", "pattern": "x"}, "provider": CALL_PROBE}
            for CALL_PROBE in (
                {"type": "http", "url": "http://x", "headers": {}, "timeout": 1},
                {"type": "process", "path": "x", "arguments": ["a"], "timeout": 1},
            )
        ],
    },
    "method": [
        {"type": "action", "name": "one", "provider": {**CALL, "arguments": {}}, "pauses": {"before": 1}},
        {"ref": "one"},
        {
            "type": "action",
            "name": "two",
            "provider": CALL,
            "background": True,
            "controls": [{"ref": "chaoslab", "name": "c", "provider": {"type": "python", "module": "x"}}],
        },
    ],
    "rollbacks": [{"type": "action", "name": "back", "provider": CALL}],
}
WORDS = st.sampled_from(
    ["", "chaoslab", "drill", "python", "http", "process", "probe", "env", "vault", "${source}", "${x-y}", "${", "2h"]
)
LEAVES = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(-9, 9) | WORDS | st.text(max_size=6)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=5
)


def _containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict | list) and value else []
    return found + [container for item in inner for container in _containers(item)]


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the good file with some of its values replaced, removed or added."""
    data = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        containers = _containers(data)
        container = containers[draw(st.integers(0, len(containers) - 1))] if containers else data
        keys = list(container) if isinstance(container, dict) else list(range(len(container)))
        key = draw(st.sampled_from(keys)) if keys else "title"
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                container[key] = draw(VALUES)
            case "remove" if keys:
                del container[key]
            case _ if isinstance(container, dict):
                container[draw(WORDS)] = draw(VALUES)
            case _:
                container.append(draw(VALUES))
    return data


def _read(text: str | bytes, file: str) -> None:
    """Read a file and hold what comes of it to its promises."""
    spec, problems = None, ()
    try:
        spec = parse_spec(text, file)
    except BadFile as error:
        problems = error.problems
    places = [(problem.line, problem.column) for problem in problems]
    assert places == sorted(places)
    assert all(str(problem).isprintable() and problem.message for problem in problems)
    if spec is None:
        return
    assert all(finding.text.isprintable() and finding.place.isprintable() for finding in findings_of(spec))
    assert spec.title
    assert not (spec.extension and spec.doubts)
    assert json.loads(json.dumps(spec.document)) == spec.document


def test_the_good_file_is_good() -> None:
    assert parse_spec(json.dumps(GOOD), "a.json").document == GOOD


@given(data=mutants())
def test_a_damaged_file_is_read_or_refused(data: dict[str, Any]) -> None:
    _read(json.dumps(data), "a.json")


@given(data=VALUES)
def test_any_json_is_read_or_refused(data: Any) -> None:
    _read(json.dumps(data), "a.json")


@given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    _read(data, "a.yaml")
