"""Editors are told the same as `parse_spec` tells, as far as a JSON schema can."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslab.core.needs import NEEDS
from chaoslab.core.objective import MEASURES
from chaoslab.core.schema import file_schema

GOOD = yaml.safe_load((Path(__file__).parent / "core_files" / "good.yaml").read_text())
SCHEMA = file_schema()
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "null": type(None)}
SILENT = {"$schema", "$defs", "title", "description", "default", "examples", "then"}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_of(value: Any, said: str) -> bool:
    if said == "number":
        return is_number(value)
    return isinstance(value, TYPES[said]) and (said == "boolean" or not isinstance(value, bool))


def others_fit(value: dict[str, Any], said: Any, schema: dict[str, Any]) -> bool:
    known = set(schema.get("properties", {}))
    others = {name for name in value if name not in known and not name.startswith("x-")}
    return all(fits(value[name], said) for name in others) if isinstance(said, dict) else bool(said or not others)


FOR_ALL = {
    "$ref": lambda value, said, _: fits(value, SCHEMA["$defs"][said.removeprefix("#/$defs/")]),
    "type": lambda value, said, _: is_of(value, said),
    "const": lambda value, said, _: value == said,
    "enum": lambda value, said, _: value in said,
    "anyOf": lambda value, said, _: any(fits(value, choice) for choice in said),
    "oneOf": lambda value, said, _: sum(fits(value, choice) for choice in said) == 1,
    "not": lambda value, said, _: not fits(value, said),
    "if": lambda value, said, schema: not fits(value, said) or fits(value, schema["then"]),
}
FOR_MAPPINGS = {
    "required": lambda value, said, _: set(said) <= set(value),
    "properties": lambda value, said, _: all(fits(value[name], said[name]) for name in said if name in value),
    "patternProperties": lambda value, said, _: said == {"^x-": {}},
    "additionalProperties": others_fit,
}
FOR_LISTS = {
    "items": lambda value, said, _: all(fits(item, said) for item in value),
    "minItems": lambda value, said, _: len(value) >= said,
}
FOR_TEXTS = {
    "pattern": lambda value, said, _: re.search(said, value) is not None,
    "minLength": lambda value, said, _: len(value) >= said,
    "maxLength": lambda value, said, _: len(value) <= said,
}
FOR_NUMBERS = {
    "minimum": lambda value, said, _: value >= said,
    "maximum": lambda value, said, _: value <= said,
    "exclusiveMinimum": lambda value, said, _: value > said,
}
KEYWORDS = (
    (lambda _: True, FOR_ALL),
    (lambda value: isinstance(value, dict), FOR_MAPPINGS),
    (lambda value: isinstance(value, list), FOR_LISTS),
    (lambda value: isinstance(value, str), FOR_TEXTS),
    (is_number, FOR_NUMBERS),
)
KNOWN = SILENT.union(*(checks for _, checks in KEYWORDS))


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Validate with the keywords that our schema uses, and fail on any other."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    return all(
        check(value, schema[keyword], schema)
        for is_meant, checks in KEYWORDS
        if is_meant(value)
        for keyword, check in checks.items()
        if keyword in schema
    )


def changed(path: list[Any], value: Any) -> Any:
    data = copy.deepcopy(GOOD)
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return data


OURS = ["extensions", 0]


def test_the_good_file_fits() -> None:
    assert fits(GOOD, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["titel"], "x"),
        (["title"], ""),
        (["method"], {}),
        (["method", 0, "type"], "acton"),
        (["method", 0, "provider"], {"type": "python", "module": "a"}),
        (["method", 0, "provider"], {"type": "python", "module": "a", "func": "b", "url": "c"}),
        (["method", 0, "argument"], {}),
        (["method", 0], {"name": "x"}),
        (["steady-state-hypothesis", "probes", 0, "tolerance"], 0.5),
        (["steady-state-hypothesis", "probes", 0, "tolerance"], None),
        (["configuration", "service"], {"type": "env"}),
        (["controls", 0], {"name": "x"}),
        ([*OURS, "kind"], "dril"),
        ([*OURS, "needs"], ["rooot"]),
        ([*OURS, "objectives", "rto"], "4 hours"),
        ([*OURS, "objectives", "rto"], 90),
        ([*OURS, "objectives", "rto"], {"at_least": "4h"}),
        ([*OURS, "objectives", "availability"], "95"),
        ([*OURS, "objectives", "throughput"], "5s"),
        ([*OURS, "targets"], []),
        ([*OURS, "probers", 0, "rate_hz"], 5000),
        ([*OURS, "probers", 0, "expect"], "200"),
        ([*OURS, "probers", 0, "expect"], [20]),
        ([*OURS, "tripwires", 0], {"bad_for": "5s"}),
        ([*OURS, "surprise"], 1),
    ],
)
def test_what_is_wrong_does_not_fit(path: list[Any], value: Any) -> None:
    assert not fits(changed(path, value), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["x-note"], 1),
        (["method", 0], {"ref": "restored"}),
        (["method", 0, "provider"], {"type": "http", "url": "http://x", "timeout": [1, 2]}),
        (["method", 0, "pauses"], {"before": "${service}"}),
        (["steady-state-hypothesis", "probes", 0, "tolerance"], {"type": "regex", "pattern": "x"}),
        (["extensions", 0], {"name": "somebody-else", "anything": 1}),
        ([*OURS, "objectives", "rto"], {"at_most": "1h30m"}),
        ([*OURS, "probers", 0, "expect"], 204),
    ],
)
def test_what_is_right_fits(path: list[Any], value: Any) -> None:
    assert fits(changed(path, value), SCHEMA)


def test_every_schema_is_the_same() -> None:
    assert json.dumps(file_schema()) == json.dumps(SCHEMA)


def test_every_reference_leads_somewhere() -> None:
    found = re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(SCHEMA))
    assert set(found) <= set(SCHEMA["$defs"])


def test_every_default_fits_its_own_schema() -> None:
    for name, schema in SCHEMA["$defs"].items():
        for key, inner in schema.get("properties", {}).items():
            if "default" in inner:
                assert fits(inner["default"], inner), (name, key)


def test_our_words_are_in_it() -> None:
    ours = SCHEMA["$defs"]
    assert ours["Extension"]["properties"]["needs"]["items"]["enum"] == sorted(NEEDS)
    assert set(ours["Objectives"]["properties"]) == set(MEASURES)
    assert "null" not in json.dumps(ours["Extension"]) + json.dumps(ours["Objectives"]) + json.dumps(ours["Guards"])
