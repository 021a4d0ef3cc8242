"""Checks `configuration` and `secrets`: their shape, not what the environment or a vault holds."""

from __future__ import annotations

import json
from typing import Any

from chaoslab.core.activities import check_provider
from chaoslab.core.notes import Notes, kind_of
from chaoslab.core.positions import Path
from chaoslab.core.suggest import hint_for

ENV_TYPES = ("str", "string", "int", "integer", "float", "number", "bytes", "bool", "json")


def check_configuration(configuration: Any, notes: Notes) -> None:
    if not isinstance(configuration, dict):
        hint = "remove the key if there are none"
        notes.wrong_type(("configuration",), configuration, "a mapping of names to values", hint)
        return
    for name, value in configuration.items():
        path = ("configuration", name)
        if isinstance(value, dict) and value.get("type") == "env":
            _check_env(value, path, notes)
        elif isinstance(value, dict) and value.get("type") == "probe":
            if not value.get("provider"):
                notes.missing(path, "provider", "write what the probe calls")
            else:
                check_provider(value["provider"], (*path, "provider"), notes)


def _check_env(value: dict[str, Any], path: Path, notes: Notes) -> None:
    key = value.get("key")
    if not isinstance(key, str) or not key:
        notes.missing(path, "key", "write the name of the environment variable")
    kind = value.get("env_var_type")
    if kind is not None and kind not in ENV_TYPES:
        hint = hint_for(str(kind), ENV_TYPES)
        notes.wrong((*path, "env_var_type"), "bad-value", f"'{kind}' is no type of value", hint)
    elif kind is not None and value.get("default") is not None and not _converts(value["default"], kind):
        message = f"is {kind_of(value['default'])}, which is no {kind}"
        notes.wrong((*path, "default"), "bad-value", message, "write a value of that type")


def _converts(default: Any, kind: str) -> bool:
    """Say whether the engine can convert a default as it converts the variable."""
    try:
        if kind in ("int", "integer"):
            int(default)
        elif kind in ("float", "number"):
            float(default)
        elif kind == "json" and isinstance(default, str) and default:
            json.loads(default)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return isinstance(default, str) if kind == "bytes" else kind != "bool" or isinstance(default, str | bool)


def check_secrets(secrets: Any, notes: Notes) -> None:
    if not isinstance(secrets, dict):
        notes.wrong_type(("secrets",), secrets, "a mapping of groups", "remove the key if there are none")
        return
    for group, entries in secrets.items():
        path = ("secrets", group)
        if not isinstance(entries, dict):
            hint = f"write a group of secrets: {{{group}: {{name: {{type: env, key: NAME}}}}}}"
            notes.wrong_type(path, entries, "a mapping of names to values", hint)
        elif entries.get("type") == "env":
            message = "is one secret where a group of secrets belongs, so `${...}` cannot find it"
            notes.doubt(path, "flat-secret", message, f"write {{{group}: {{name: {{type: env, ...}}}}}}", at_key=True)
        elif entries.get("type") != "vault":
            for name, value in entries.items():
                if isinstance(value, dict) and value.get("type") == "env":
                    _check_env(value, (*path, name), notes)
