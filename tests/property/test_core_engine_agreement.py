"""What we accept, the engine accepts: `chaoslab check` never says yes to a file that `chaos run` would refuse."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from typing import Any

import pytest
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chaoslab.core.errors import BadFile
from chaoslab.core.spec import parse_spec

CALL = {"type": "python", "module": "os", "func": "getcwd", "arguments": {}}
PROBES: list[dict[str, Any]] = [
    {"type": "probe", "name": "a", "tolerance": {"type": "regex", "pattern": "x"}, "provider": CALL},
    {"type": "probe", "name": "b", "tolerance": {"type": "range", "range": [1, 2]}, "provider": CALL},
    {"type": "probe", "name": "c", "tolerance": {**{"type": "probe", "name": "d"}, "provider": CALL}, "provider": CALL},
    {"type": "probe", "name": "e", "tolerance": 200, "provider": {"type": "http", "url": "http://x", "headers": {}}},
    {"ref": "one", "tolerance": [1, 2]},
]
GOOD: dict[str, Any] = {
    "title": "t",
    "description": "d",
    "tags": ["a"],
    "configuration": {"s": {"type": "env", "key": "NOT_THERE", "default": "5", "env_var_type": "int"}, "p": 1},
    "secrets": {"g": {"s": "x"}},
    "extensions": [{"name": "theirs"}],
    "controls": [{"name": "c", "provider": {"type": "python", "module": "os"}}],
    "steady-state-hypothesis": {"title": "h", "probes": PROBES},
    "method": [
        {"type": "action", "name": "one", "provider": CALL, "pauses": {"before": 1, "after": "${p}"}, "timeout": 1},
        {"ref": "one"},
        {"type": "action", "name": "two", "provider": {"type": "process", "path": "true"}, "background": True},
    ],
    "rollbacks": [
        {
            "type": "action",
            "name": "back",
            "provider": CALL,
            "controls": [{"ref": "c", "name": "again", "provider": {"type": "python", "module": "os"}}],
        }
    ],
}
OF_THE_MACHINE = (
    "could not find Python module",
    "does not expose a function",
    "is not part of the function signature",
    "is missing from activity",
    "cannot be found, in activity",
    "does not exist",
    "jsonpath",
    "JSON path",
)
"""What the engine says of modules, programs and the environment, which a check must not need."""

WORDS = st.sampled_from(
    ["", " ", "python", "http", "process", "probe", "action", "env", "regex", "range", "${p}", "one"]
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 300) | st.floats(-2, 2) | WORDS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2), max_leaves=4
)


def containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict | list) and value else []
    return found + [container for item in inner for container in containers(item)]


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the good file with one or two of its values replaced or removed."""
    data = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(1, 2))):
        found = containers(data)
        container = found[draw(st.integers(0, len(found) - 1))] if found else data
        key = draw(st.sampled_from(list(container) if isinstance(container, dict) else list(range(len(container)))))
        if draw(st.booleans()):
            container[key] = draw(VALUES)
        else:
            del container[key]
    return data


def engine_says(data: dict[str, Any]) -> str:
    """Return why the engine refuses a file; empty when it does not, or for a reason of this machine alone."""
    logging.getLogger("chaostoolkit").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ensure_experiment_is_valid(copy.deepcopy(data))
        except ChaosException as error:
            return "" if any(words in str(error) for words in OF_THE_MACHINE) else str(error)
        except Exception as error:  # it stumbles over what it did not expect
            return f"{type(error).__name__}: {error}"
    return ""


def is_accepted(data: dict[str, Any]) -> bool:
    try:
        parse_spec(json.dumps(data), "a.json")
    except BadFile:
        return False
    return True


def test_both_accept_the_good_file() -> None:
    assert engine_says(GOOD) == ""
    assert is_accepted(GOOD)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)
@given(data=mutants())
@example(data={**GOOD, "method": None})
def test_what_we_accept_the_engine_accepts(data: dict[str, Any]) -> None:
    if is_accepted(data):
        assert engine_says(data) == ""


@pytest.mark.parametrize("key", ["title", "description", "method"])
def test_both_refuse_what_lacks_the_essential(key: str) -> None:
    data = {name: value for name, value in GOOD.items() if name != key}
    assert engine_says(data) != ""
    assert not is_accepted(data)
