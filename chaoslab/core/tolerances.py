"""Checks what a probe of the hypothesis must return."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.suggest import hint_for

Check = Callable[[Any, Path, Notes], None]
TOLERANCE_TYPES = ("probe", "regex", "jsonpath", "range")


def check_tolerance(tolerance: Any, path: Path, notes: Notes, *, check_probe: Check) -> None:
    """Check one tolerance; `check_probe` checks a probe that judges the value."""
    if isinstance(tolerance, float):
        hint = f"write a range that holds it, such as [{tolerance - 0.1:g}, {tolerance + 0.1:g}]"
        notes.wrong(path, "float-tolerance", f"the engine takes no fraction such as {tolerance}", hint)
    elif tolerance is None:
        notes.wrong_type(path, tolerance, "a value, a list, or a mapping with a type")
    elif isinstance(tolerance, dict):
        _check_typed(tolerance, path, notes, check_probe=check_probe)


def _check_typed(tolerance: dict[str, Any], path: Path, notes: Notes, *, check_probe: Check) -> None:
    match tolerance.get("type"):
        case "probe":
            check_probe(tolerance, path, notes)
            _check_has_arguments(tolerance, path, notes)
        case "regex":
            _check_regex(tolerance, path, notes)
        case "jsonpath":
            expression = tolerance.get("path")
            if not isinstance(expression, str) or not expression.strip():
                notes.missing(path, "path", "write the JSON path, such as $.status")
        case "range":
            _check_range(tolerance, path, notes)
        case None:
            notes.missing(path, "type", f"write {', '.join(TOLERANCE_TYPES)}")
        case kind:
            hint = hint_for(str(kind), TOLERANCE_TYPES)
            notes.wrong((*path, "type"), "unknown-tolerance", f"'{kind}' is no type of tolerance", hint)


def _check_has_arguments(tolerance: dict[str, Any], path: Path, notes: Notes) -> None:
    provider = tolerance.get("provider")
    if isinstance(provider, dict) and not isinstance(provider.get("arguments"), dict):
        message = "the engine breaks off here: it puts the probed value into `arguments`, and there are none"
        notes.doubt((*path, "provider"), "no-arguments", message, "add `arguments: {}`", at_key=True)


def _check_regex(tolerance: dict[str, Any], path: Path, notes: Notes) -> None:
    if "pattern" not in tolerance:
        notes.missing(path, "pattern", "write the regular expression")
        return
    pattern = tolerance["pattern"]
    if not isinstance(pattern, str):
        notes.wrong_type((*path, "pattern"), pattern, "text", "put it in quotes")
        return
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        hint = "put a \\ before what is meant literally"
        notes.wrong((*path, "pattern"), "bad-value", f"is no regular expression: {error}", hint)


def _check_range(tolerance: dict[str, Any], path: Path, notes: Notes) -> None:
    if "range" not in tolerance:
        notes.missing(path, "range", "write [lowest, highest]")
        return
    bounds = tolerance["range"]
    numbers = isinstance(bounds, list) and all(
        isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds
    )
    if not numbers or len(bounds) != 2:
        notes.wrong_type((*path, "range"), bounds, "two numbers", "write [lowest, highest]")
    elif bounds[0] > bounds[1]:
        message = f"nothing lies between {bounds[0]} and {bounds[1]}"
        notes.doubt((*path, "range"), "empty-range", message, "write the lower bound first")
