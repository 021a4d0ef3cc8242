"""The JSON schema of a catalog file, for editors: Chaos Toolkit's shape, and our extension in full."""

from __future__ import annotations

from typing import Any

from chaoslab.core.activities import ACTIVITY_TYPES, PROVIDER_KEYS
from chaoslab.core.extension import Extension
from chaoslab.core.toolkit import HYPOTHESIS, ROLLBACK_STRATEGIES
from chaoslab.core.values import ENV_TYPES

Schema = dict[str, Any]
_ID = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string", "minLength": 1}
_ANY_MAPPING: Schema = {"type": "object"}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_FREE: Schema = {"^x-": {}}
"""Keys that begin with x- are everybody's."""


def file_schema() -> Schema:
    """Return the schema of a whole catalog file; the same in every run."""
    extension = Extension.model_json_schema(ref_template="#/$defs/{model}")
    ours = {**extension.pop("$defs"), "Extension": extension}
    definitions = {**{name: _as_written(schema) for name, schema in ours.items()}, **_toolkit_definitions()}
    return {
        "$schema": _ID,
        "title": "chaoslab catalog file",
        "description": "An experiment or a drill: a Chaos Toolkit file with the extension chaoslab.",
        **_file(),
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _file() -> Schema:
    steps = {"type": "array", "items": {"$ref": "#/$defs/Step"}}
    properties: Schema = {
        "version": _TEXT,
        "title": {**_TEXT, "description": "a line that says what is tried"},
        "description": {**_TEXT, "description": "what is learned from it"},
        "tags": {"type": "array", "items": _TEXT},
        "contributions": _ANY_MAPPING,
        "configuration": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Value"}},
        "secrets": {"type": "object", "additionalProperties": _ANY_MAPPING},
        "controls": {"type": "array", "items": {"$ref": "#/$defs/Control"}},
        "extensions": {"type": "array", "items": {"$ref": "#/$defs/AnyExtension"}},
        HYPOTHESIS: {"$ref": "#/$defs/Hypothesis"},
        "method": {**steps, "description": "what happens, recovery included"},
        "rollbacks": {**steps, "description": "what removes what the method put there"},
        "runtime": {"$ref": "#/$defs/Runtime"},
        "dry": {},
    }
    return _mapping(properties, required=["title", "description", "method"])


def _toolkit_definitions() -> dict[str, Schema]:
    return {
        "AnyExtension": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": _TEXT},
            "if": {"properties": {"name": {"const": "chaoslab"}}, "required": ["name"]},
            "then": {"$ref": "#/$defs/Extension"},
        },
        "Control": _control(),
        "Hypothesis": _mapping(
            {
                "title": {**_TEXT, "description": "what holds while all is well"},
                "probes": {"type": "array", "items": {"$ref": "#/$defs/Step", "required": ["tolerance"]}},
                "controls": {"type": "array", "items": {"$ref": "#/$defs/Control"}},
            },
            required=["title"],
        ),
        "Provider": _provider(),
        "Runtime": {
            "type": "object",
            "properties": {
                "rollbacks": {"type": "object", "properties": {"strategy": {"enum": list(ROLLBACK_STRATEGIES)}}}
            },
        },
        "Step": _step(),
        "Tolerance": {"not": {"anyOf": [{"type": "null"}, {"type": "number", "not": {"type": "integer"}}]}},
        "Value": {
            "if": {"type": "object", "properties": {"type": {"const": "env"}}, "required": ["type"]},
            "then": {
                "type": "object",
                "required": ["key"],
                "properties": {"key": _TEXT, "env_var_type": {"enum": list(ENV_TYPES)}},
            },
        },
    }


def _step() -> Schema:
    properties: Schema = {
        "type": {"enum": list(ACTIVITY_TYPES)},
        "name": {**_TEXT, "description": "later steps use its output as ${name}"},
        "provider": {"$ref": "#/$defs/Provider"},
        "tolerance": {"$ref": "#/$defs/Tolerance"},
        "timeout": {"type": "number"},
        "pauses": _mapping({"before": _number_or_reference(), "after": _number_or_reference()}, required=[]),
        "background": {"type": "boolean"},
        "controls": {"type": "array", "items": {"$ref": "#/$defs/Control"}},
        "dry": {},
        "ref": {**_TEXT, "description": "the name of another step to repeat"},
        "secrets": {},
        "configuration": {},
    }
    step = _mapping(properties, required=[])
    return {**step, "anyOf": [{"required": ["ref"]}, {"required": ["type", "name", "provider"]}]}


def _provider() -> Schema:
    """Let each type of provider have its own keys."""
    texts = {"type": "array", "items": _TEXT}
    known: Schema = {
        "module": _TEXT,
        "func": _TEXT,
        "path": _TEXT,
        "url": _TEXT,
        "method": _TEXT,
        "headers": _ANY_MAPPING,
        "timeout": {"anyOf": [_SECONDS, {"type": "array"}, _TEXT]},
        "verify_tls": {"type": "boolean"},
        "max_retries": {"type": "integer", "minimum": 0},
        "secrets": texts,
        "configuration": {},
    }
    arguments: dict[str, Schema] = {
        "python": {"arguments": _ANY_MAPPING},
        "process": {"arguments": {"anyOf": [{"type": "array"}, {"type": "string"}, _ANY_MAPPING]}},
        "http": {"arguments": {}},
    }
    required = {"python": ["module", "func"], "process": ["path"], "http": ["url"]}
    forms = []
    for kind, keys in PROVIDER_KEYS.items():
        properties = {key: known[key] for key in keys if key in known} | arguments[kind]
        forms.append(_mapping({"type": {"const": kind}, **properties}, required=["type", *required[kind]]))
    return {"anyOf": forms}


def _control() -> Schema:
    provider = {
        "type": "object",
        "required": ["type", "module"],
        "properties": {"type": {"const": "python"}, "module": _TEXT},
    }
    return {
        "type": "object",
        "required": ["name", "provider"],
        "properties": {
            "name": _TEXT,
            "provider": provider,
            "scope": {"enum": ["before", "after"]},
            "automatic": {"type": "boolean"},
            "ref": _TEXT,
        },
    }


def _number_or_reference() -> Schema:
    return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\$\{.*\}$"}]}


def _mapping(properties: Schema, *, required: list[str]) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "patternProperties": _FREE,
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _as_written(schema: Any) -> Any:
    """Leave out what only the model has: an absent key is no null in a file, and an absent part no mapping."""
    if isinstance(schema, list):
        return [_as_written(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _as_written(value)
        for key, value in schema.items()
        if not (key == "default" and (value is None or isinstance(value, dict)))
    }
    choices = [choice for choice in kept.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        kept |= choices[0]
    return kept
