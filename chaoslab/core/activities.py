"""Checks the steps of a file as the engine demands, without their modules, programs or environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.suggest import closest, hint_for
from chaoslab.core.tolerances import check_tolerance

ACTIVITY_TYPES = ("action", "probe")
PROVIDER_KEYS: Mapping[str, tuple[str, ...]] = {
    "python": ("type", "module", "func", "arguments", "secrets", "configuration"),
    "process": ("type", "path", "arguments", "timeout", "secrets", "configuration"),
    "http": (
        "type",
        "url",
        "method",
        "headers",
        "arguments",
        "timeout",
        "verify_tls",
        "max_retries",
        "secrets",
        "configuration",
    ),
}
ACTIVITY_KEYS = (
    "type",
    "name",
    "provider",
    "tolerance",
    "timeout",
    "pauses",
    "background",
    "controls",
    "dry",
    "ref",
    "secrets",
    "configuration",
)
_PYTHON_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_VARIABLE = re.compile(r"\$\{.*\}", re.DOTALL)


def check_activity(activity: Any, path: Path, notes: Notes, *, in_hypothesis: bool = False) -> None:
    """Check one step, probe or action, and its tolerance."""
    if not isinstance(activity, dict):
        notes.wrong_type(path, activity, "a mapping with type, name and provider")
        return
    if in_hypothesis:
        _check_hypothesis_probe(activity, path, notes)
    if "tolerance" in activity:
        check_tolerance(activity["tolerance"], (*path, "tolerance"), notes, check_probe=check_activity)
    if activity.get("ref") is not None:
        if not isinstance(activity["ref"], str) or not activity["ref"]:
            notes.wrong_type((*path, "ref"), activity["ref"], "the name of another step")
        return
    notes.unknown_keys(activity, path, ACTIVITY_KEYS)
    _check_type(activity, path, notes)
    if not activity.get("name"):
        notes.missing(path, "name", "every step needs a name that reports can show")
    elif not isinstance(activity["name"], str):
        notes.wrong_type((*path, "name"), activity["name"], "text", "put it in quotes")
    _check_timing(activity, path, notes)
    if not activity.get("provider"):
        notes.missing(path, "provider", "write what the step calls: {type: python, module: ..., func: ...}")
    else:
        check_provider(activity["provider"], (*path, "provider"), notes)


def check_provider(provider: Any, path: Path, notes: Notes) -> None:
    """Check what a step calls."""
    if not isinstance(provider, dict):
        notes.wrong_type(path, provider, "a mapping with a type")
        return
    kind = provider.get("type")
    if not kind:
        notes.missing(path, "type", "write python, process or http")
        return
    if not isinstance(kind, str) or kind not in PROVIDER_KEYS:
        hint = hint_for(str(kind), PROVIDER_KEYS)
        notes.wrong((*path, "type"), "unknown-provider", f"'{kind}' is no type of provider", hint)
        return
    if kind == "python" and "timeout" in provider:
        message = "is ignored: a Python step has no time limit of the engine"
        notes.doubt((*path, "timeout"), "ignored", message, "pass the limit as an argument", at_key=True)
    notes.unknown_keys(provider, path, (*PROVIDER_KEYS[kind], "timeout"))
    _PROVIDERS[kind](provider, path, notes)
    secrets = provider.get("secrets")
    if secrets is not None and not (isinstance(secrets, list) and all(isinstance(s, str) for s in secrets)):
        notes.wrong_type((*path, "secrets"), secrets, "a list of names of groups of secrets")


def _check_hypothesis_probe(activity: dict[str, Any], path: Path, notes: Notes) -> None:
    if "tolerance" not in activity:
        near = [key for key in activity if key not in ACTIVITY_KEYS and closest(str(key), ["tolerance"])]
        wish = "say what the probe must return, such as `tolerance: true` or `tolerance: 200`"
        hint = f"is it meant by '{near[0]}'?" if near else wish
        notes.missing(path, "tolerance", hint)
    if activity.get("type") == "action":
        message = "an action in the hypothesis acts before and after every run"
        notes.doubt((*path, "type"), "action-in-hypothesis", message, "move it to the method, or use a probe")


def _check_type(activity: dict[str, Any], path: Path, notes: Notes) -> None:
    kind = activity.get("type")
    if not kind:
        notes.missing(path, "type", "write action or probe")
    elif kind not in ACTIVITY_TYPES:
        hint = hint_for(str(kind), ACTIVITY_TYPES)
        notes.wrong((*path, "type"), "unknown-type", f"'{kind}' is no type of step", hint)


def _check_timing(activity: dict[str, Any], path: Path, notes: Notes) -> None:
    timeout = activity.get("timeout")
    if timeout is not None and not isinstance(timeout, int | float):
        notes.wrong_type((*path, "timeout"), timeout, "a number of seconds")
    if "background" in activity and not isinstance(activity["background"], bool):
        notes.wrong_type((*path, "background"), activity["background"], "true or false")
    pauses = activity.get("pauses")
    if pauses is None:
        return
    if not isinstance(pauses, dict):
        notes.wrong_type((*path, "pauses"), pauses, "a mapping", "write {before: 5} or {after: 5}")
        return
    notes.unknown_keys(pauses, (*path, "pauses"), ("before", "after"))
    for key in ("before", "after"):
        value = pauses.get(key)
        is_variable = isinstance(value, str) and _VARIABLE.fullmatch(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not is_number and not is_variable:
            notes.wrong_type((*path, "pauses", key), value, "a number of seconds", "write 5, or ${name}")


def _check_python(provider: dict[str, Any], path: Path, notes: Notes) -> None:
    hints = {"module": "write the module that holds the function", "func": "write the name of the function"}
    for key, hint in hints.items():
        value = provider.get(key)
        if not value:
            notes.missing(path, key, hint)
        elif not isinstance(value, str):
            notes.wrong_type((*path, key), value, "text")
        elif not _PYTHON_NAME.fullmatch(value):
            example = "write it as in chaoslab.process.actions" if key == "module" else "write its bare name"
            notes.wrong((*path, key), "bad-value", f"'{value}' is no Python name", example)
    arguments = provider.get("arguments", {})
    if not isinstance(arguments, dict):
        notes.wrong_type((*path, "arguments"), arguments, "a mapping of argument names to values")


def _check_process(provider: dict[str, Any], path: Path, notes: Notes) -> None:
    program = provider.get("path")
    if not program:
        notes.missing(path, "path", "write the program to run")
    elif not isinstance(program, str):
        notes.wrong_type((*path, "path"), program, "text")
    arguments = provider.get("arguments", [])
    if not isinstance(arguments, str | list | dict):
        notes.wrong_type((*path, "arguments"), arguments, "a list of texts", 'write ["-k", "value"]')
    timeout = provider.get("timeout")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float)):
        notes.wrong_type((*path, "timeout"), timeout, "a number of seconds")


def _check_http(provider: dict[str, Any], path: Path, notes: Notes) -> None:
    url = provider.get("url")
    if not url:
        notes.missing(path, "url", "write the address to call")
    elif not isinstance(url, str):
        notes.wrong_type((*path, "url"), url, "text")
    headers = provider.get("headers")
    if headers and not isinstance(headers, dict):
        notes.wrong_type((*path, "headers"), headers, "a mapping of header names to texts")
    method = provider.get("method", "GET")
    if not isinstance(method, str):
        notes.wrong_type((*path, "method"), method, "text", "write GET or POST")
    timeout = provider.get("timeout")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float | list | str)):
        notes.wrong_type((*path, "timeout"), timeout, "a number of seconds, or [connect, read]")


_PROVIDERS = {"python": _check_python, "process": _check_process, "http": _check_http}
