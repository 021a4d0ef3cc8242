"""Chaos Toolkit's own part of a file is checked without its modules, programs or environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from toolkit_files import CALL, STEP, doubts, hypothesis, judged_by, problems


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": None}, "method[0]: `type` is missing; write action or probe"),
        ({"type": "acton"}, "method[0].type: 'acton' is no type of step; did you mean 'action'?"),
        ({"name": ""}, "method[0]: `name` is missing; every step needs a name that reports can show"),
        ({"name": 5}, "method[0].name: must be text, and is the number 5; put it in quotes"),
        ({"provider": None}, "method[0]: `provider` is missing; write what the step calls: {type: python,"),
        ({"provider": "x"}, "method[0].provider: must be a mapping with a type, and is the text 'x'"),
        ({"provider": {"module": "x"}}, "method[0].provider: `type` is missing; write python, process or http"),
        ({"provider": {"type": ["x"]}}, "method[0].provider.type: '['x']' is no type of provider; known are"),
        ({"timeout": "5"}, "method[0].timeout: must be a number of seconds, and is the text '5'"),
        ({"background": "yes"}, "method[0].background: must be true or false, and is the text 'yes'"),
        ({"pauses": 5}, "method[0].pauses: must be a mapping, and is the number 5; write {before: 5}"),
        ({"pauses": {"after": "5s"}}, "method[0].pauses.after: must be a number of seconds, and is the text '5s'"),
        ({"ref": 5}, "method[0].ref: must be the name of another step, and is the number 5"),
        ({"ref": "ack"}, "method[0].ref: there is no step 'ack'; did you mean 'act'?"),
        ({"controls": {}}, "method[0].controls: must be a list of controls, and is a mapping"),
    ],
)
def test_a_step_that_the_engine_would_refuse(change: dict[str, Any], expected: str) -> None:
    found = problems(method=[{**STEP, **change}])
    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"type": "python", "func": "f"}, "`module` is missing; write the module that holds the function"),
        ({"type": "python", "module": "a b", "func": "f"}, "module: 'a b' is no Python name; write it as in"),
        ({"type": "python", "module": "a", "func": 5}, "func: must be text, and is the number 5"),
        ({**CALL, "arguments": ["x"]}, "arguments: must be a mapping of argument names to values, and is a list"),
        ({**CALL, "secrets": "x"}, "secrets: must be a list of names of groups of secrets, and is the text 'x'"),
        ({"type": "process"}, "`path` is missing; write the program to run"),
        ({"type": "process", "path": 5}, "path: must be text, and is the number 5"),
        ({"type": "process", "path": "x", "arguments": 5}, "arguments: must be a list of texts, and is the number 5"),
        ({"type": "process", "path": "x", "timeout": "5"}, "timeout: must be a number of seconds, and is the text"),
        ({"type": "http"}, "`url` is missing; write the address to call"),
        ({"type": "http", "url": 5}, "url: must be text, and is the number 5"),
        ({"type": "http", "url": "x", "headers": ["a"]}, "headers: must be a mapping of header names to texts"),
        ({"type": "http", "url": "x", "method": 5}, "method: must be text, and is the number 5; write GET or POST"),
        ({"type": "http", "url": "x", "timeout": True}, "timeout: must be a number of seconds, or [connect, read]"),
    ],
)
def test_a_provider_that_the_engine_would_refuse(provider: dict[str, Any], expected: str) -> None:
    found = problems(method=[{**STEP, "provider": provider}])
    assert len(found) == 1
    assert found[0].removeprefix("method[0].provider").lstrip(".: ").startswith(expected)


@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [
        (0.5, ": the engine takes no fraction such as 0.5; write a range that holds it, such as [0.4, 0.6]"),
        (None, ": must be a value, a list, or a mapping with a type, and is empty"),
        ({}, ": `type` is missing; write probe, regex, jsonpath, range"),
        ({"type": "regexp"}, ".type: 'regexp' is no type of tolerance; did you mean 'regex'?"),
        ({"type": "regex"}, ": `pattern` is missing; write the regular expression"),
        ({"type": "regex", "pattern": 5}, ".pattern: must be text, and is the number 5; put it in quotes"),
        ({"type": "regex", "pattern": "("}, ".pattern: is no regular expression: missing )"),
        ({"type": "jsonpath", "path": " "}, ": `path` is missing; write the JSON path, such as $.status"),
        ({"type": "range"}, ": `range` is missing; write [lowest, highest]"),
        ({"type": "range", "range": [1]}, ".range: must be two numbers, and is a list; write [lowest, highest]"),
        ({"type": "range", "range": "1-2"}, ".range: must be two numbers, and is the text '1-2'"),
        ({"type": "probe", "name": "p"}, ": `type` is missing"),
    ],
)
def test_a_tolerance_that_the_engine_would_refuse(tolerance: Any, expected: str) -> None:
    found = problems(**judged_by(tolerance))
    where = "steady-state-hypothesis.probes[0].tolerance"
    if isinstance(tolerance, dict) and tolerance.get("type") == "probe":
        assert found == [
            f"{where}: `provider` is missing; write what the step calls: {{type: python, module: ..., func: ...}}"
        ]
    else:
        assert len(found) == 1
        assert found[0].startswith(where + expected)


@pytest.mark.parametrize("tolerance", [True, 200, [200, 204], "ok", {"type": "range", "range": [0.5, 1]}])
def test_a_tolerance_that_the_engine_takes(tolerance: Any) -> None:
    assert problems(**judged_by(tolerance)) == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"steady-state-hypothesis": []}, "steady-state-hypothesis: must be a mapping with title and probes"),
        ({"steady-state-hypothesis": {"probes": []}}, "steady-state-hypothesis: `title` is missing; say what holds"),
        (
            {"steady-state-hypothesis": hypothesis({**STEP, "type": "probe"})},
            "steady-state-hypothesis.probes[0]: `tolerance` is missing; say what the probe must return",
        ),
        ({"configuration": []}, "configuration: must be a mapping of names to values, and is a list"),
        ({"configuration": {"a": {"type": "env"}}}, "configuration.a: `key` is missing; write the name of the env"),
        (
            {"configuration": {"a": {"type": "env", "key": "A", "env_var_type": "integr"}}},
            "configuration.a.env_var_type: 'integr' is no type of value; did you mean 'integer'?",
        ),
        ({"configuration": {"a": {"type": "probe"}}}, "configuration.a: `provider` is missing; write what the probe"),
        ({"secrets": {"g": {"a": {"type": "env"}}}}, "secrets.g.a: `key` is missing; write the name of the env"),
        ({"secrets": []}, "secrets: must be a mapping of groups, and is a list"),
        ({"extensions": {}, "title": ""}, "`title` is missing"),
        ({"extensions": {"name": "x"}}, "extensions: must be a list, and is a mapping; write `- name: chaoslab`"),
        ({"extensions": [{}]}, "extensions[0]: `name` is missing; every extension needs one, such as chaoslab"),
        ({"extensions": ["x"]}, "extensions[0]: must be a mapping with a name, and is the text 'x'"),
        ({"controls": [{"provider": {"type": "python", "module": "m"}}]}, "controls[0]: `name` is missing; a control"),
        ({"controls": [{"name": "c"}]}, "controls[0]: `provider` is missing; write {type: python, module: ...}"),
        ({"controls": [{"name": "c", "provider": {"type": "python"}}]}, "controls[0].provider: `module` is missing"),
        ({"controls": ["c"]}, "controls[0]: must be a mapping with name and provider, and is the text 'c'"),
        ({"controls": None}, "controls: must be a list of controls, and is empty; remove the key if there are none"),
        ({"rollbacks": None}, "rollbacks: must be a list of steps, and is empty; remove the key if there are none"),
        ({"configuration": None}, "configuration: must be a mapping of names to values, and is empty; remove the key"),
        ({"secrets": None}, "secrets: must be a mapping of groups, and is empty; remove the key if there are none"),
        ({"steady-state-hypothesis": None}, "steady-state-hypothesis: must be a mapping with title and probes, and is"),
        (
            {"controls": [{"name": "c", "scope": "during", "provider": {"type": "python", "module": "m"}}]},
            "controls[0].scope: 'during' is no scope; write before or after",
        ),
        (
            {
                "controls": [
                    {"name": "guard", "provider": {"type": "python", "module": "m"}},
                    {"name": "again", "ref": "gard", "provider": {"type": "python", "module": "m"}},
                ]
            },
            "controls[1].ref: there is no control 'gard'; did you mean 'guard'?",
        ),
        (
            {"configuration": {"a": {"type": "env", "key": "A", "env_var_type": "int", "default": "five"}}},
            "configuration.a.default: is the text 'five', which is no int; write a value of that type",
        ),
        ({"runtime": 5}, "runtime: must be a mapping, and is the number 5"),
        ({"tags": "a"}, "tags: must be a list of words, and is the text 'a'; write [one, two]"),
        ({"description": ["x"]}, "description: must be text, and is a list; put it in quotes"),
    ],
)
def test_a_section_that_the_engine_would_refuse(parts: dict[str, Any], expected: str) -> None:
    found = problems(**parts)
    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"rollback": []}, "rollback: is an unknown key; did you mean 'rollbacks'?"),
        ({"method": [{**STEP, "argument": {}}]}, "method[0].argument: is an unknown key"),
        (
            {"method": [{**STEP, "provider": {**CALL, "timeout": 5}}]},
            "method[0].provider.timeout: is ignored: a Python step has no time limit of the engine; pass the limit",
        ),
        (
            {"steady-state-hypothesis": hypothesis({**STEP, "tolerance": True})},
            "steady-state-hypothesis.probes[0].type: an action in the hypothesis acts before and after every run;",
        ),
        ({"steady-state-hypothesis": {"title": "x"}}, "steady-state-hypothesis: a hypothesis without probes checks"),
        (
            judged_by({"type": "probe", "name": "p", "provider": CALL} | {"type": "probe"}),
            "steady-state-hypothesis.probes[0].tolerance.provider: the engine breaks off here: it puts the probed",
        ),
        (judged_by({"type": "range", "range": [2, 1]}), "steady-state-hypothesis.probes[0].tolerance.range: nothing"),
        ({"secrets": {"token": {"type": "env", "key": "T"}}}, "secrets.token: is one secret where a group of"),
    ],
)
def test_what_the_engine_lets_pass_is_doubted(parts: dict[str, Any], expected: str) -> None:
    found = doubts(**parts)
    assert len(found) == 1
    assert found[0].startswith(expected)


def env_of(kind: str, default: Any) -> list[str]:
    return problems(configuration={"a": {"type": "env", "key": "A", "env_var_type": kind, "default": default}})


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("int", "5"),
        ("float", 0.5),
        ("json", "[1]"),
        ("json", {}),
        ("json", ""),
        ("bytes", "x"),
        ("bool", "no"),
        ("str", 5),
    ],
)
def test_a_default_that_the_engine_converts(kind: str, default: Any) -> None:
    assert env_of(kind, default) == []


@pytest.mark.parametrize(("kind", "default"), [("int", "5s"), ("number", []), ("json", "{"), ("bytes", 5), ("bool", 5)])
def test_a_default_that_the_engine_cannot_convert(kind: str, default: Any) -> None:
    assert len(env_of(kind, default)) == 1


def test_a_hypothesis_has_a_title_that_is_text() -> None:
    assert problems(**{"steady-state-hypothesis": {"title": 5, "probes": []}}) == [
        "steady-state-hypothesis.title: must be text, and is the number 5; put it in quotes"
    ]


def test_a_json_path_is_taken_as_it_is() -> None:
    assert problems(**judged_by({"type": "jsonpath", "path": "$.status"})) == []


def test_keys_that_begin_with_x_are_free() -> None:
    assert doubts(**{"x-note": 1, "method": [{**STEP, "x-why": "because"}]}) == []
