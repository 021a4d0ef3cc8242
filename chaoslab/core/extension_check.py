"""Reads the extension and words what pydantic finds for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chaoslab.core.extension import (
    Extension,
    Guards,
    MixedRequest,
    Objectives,
    ProbeCall,
    ProbeProber,
    Prober,
    ProberTripwire,
    ProbeTripwire,
    Target,
)
from chaoslab.core.notes import Notes, kind_of
from chaoslab.core.objective import MEASURES
from chaoslab.core.positions import Path
from chaoslab.core.suggest import closest, hint_for

_MODELS: Mapping[tuple[str, ...], tuple[type[BaseModel], ...]] = {
    (): (Extension,),
    ("objectives",): (Objectives,),
    ("targets",): (Target,),
    ("guards",): (Guards,),
    ("probers",): (Prober, ProbeProber),
    ("tripwires",): (ProberTripwire, ProbeTripwire),
    ("probers", "probe"): (ProbeCall,),
    ("probers", "requests"): (MixedRequest,),
    ("tripwires", "probe"): (ProbeCall,),
}
"""Which keys are known where, to guess the one that was meant."""

_WANTED = {
    "string_type": ("text", "put it in quotes"),
    "tuple_type": ("a list", "write [one, two], or begin each line with `- `"),
    "dict_type": ("a mapping", "write `key: value`"),
    "model_type": ("a mapping", "write `key: value`"),
    "model_attributes_type": ("a mapping", "write `key: value`"),
    "int_type": ("a whole number", "write it without quotes"),
    "float_type": ("a number", "write it without quotes"),
}
_PHRASES = (
    ("less than or equal to", "at most"),
    ("greater than or equal to", "at least"),
    ("greater than", "more than"),
)
_MISSING_HINTS = {
    "kind": "write drill or experiment",
    "domain": "write the area it belongs to: postgres, network, process, ...",
    "targets": "list what it acts on: `- {kind: postgres, address: ${source}}`",
    "blast_radius": "say in one sentence who and what can be hurt, at worst",
    "name": "give it a name that others can refer to",
    "module": "write the module that holds the function",
    "func": "write the name of the function",
    "bad_for": "say how long it must be bad, such as 10s",
    "url": "write the address that the prober asks",
    "address": "write where the target is, or ${name} of the configuration",
}


def read_extension(raw: dict[str, Any], notes: Notes) -> Extension | None:
    """Read the extension that stands at `notes.extension`; on problems, note them and return None."""
    empty = list(_empty_values(raw, ()))
    for path in empty:
        notes.wrong((*notes.extension, *path), "empty", "is empty", "write a value, or remove the key")
    try:
        extension = Extension.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=True):
            path = _path_in(raw, detail["loc"])
            if path not in empty:
                _word(detail, path, notes)
        return None
    return None if empty else extension


def _empty_values(value: Any, path: Path) -> Iterator[Path]:
    """Find keys without a value, which would quietly mean the default; a probe's arguments are its own affair."""
    if path and path[-1] == "arguments":
        return
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _empty_values(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _empty_values(inner, (*path, index))


def _path_in(raw: Any, loc: tuple[int | str, ...]) -> Path:
    """Turn pydantic's location into a path of the file: without union tags, and without what only the model has."""
    path: Path = ()
    value = raw
    parts = [part for part in loc if not (isinstance(part, str) and part.startswith("<"))]
    for index, part in enumerate(parts):
        is_item = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_item or (isinstance(value, dict) and part in value):
            value = value[part]
        elif isinstance(value, dict) and index == len(parts) - 1:
            return (*path, part)  # a key that is missing
        else:
            return path
        path = (*path, part)
    return path


def _word(detail: ErrorDetails, path: Path, notes: Notes) -> None:
    here = (*notes.extension, *path)
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    match kind:
        case "extra_forbidden":
            hint = hint_for(str(path[-1]), _known_keys(path[:-1]))
            notes.wrong(here, "unknown-key", "is an unknown key", hint, at_key=True)
        case "missing":
            hint = _MISSING_HINTS.get(str(path[-1]), "")
            message = f"`{path[-1]}` is missing"
            notes.wrong(here[:-1], "missing-key", message, hint, at_key=True)
        case "value_error" | "tripwire_form":
            told, _, hint = detail["msg"].removeprefix("Value error, ").partition("; ")
            notes.wrong(here, "bad-value", told, hint)
        case "literal_error":
            words = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")
            meant = closest(str(value), words)
            told = f"'{value}' is none of {', '.join(words)}" if isinstance(value, str) else f"is {kind_of(value)}"
            notes.wrong(here, "bad-value", told, f"did you mean '{meant}'?" if meant else "")
        case "string_pattern_mismatch":
            allowed = "a-z, 0-9 and -" if "a-z0-9-" in str(context.get("pattern")) else "letters, digits, _ . and -"
            notes.wrong(here, "bad-value", f"'{value}' is no plain name", f"use {allowed}, a letter first")
        case "too_short":
            if not value:  # otherwise its items were not counted because they are wrong themselves
                notes.wrong(here, "bad-value", "must not be empty", "list at least one")
        case _ if kind in _WANTED:
            wanted, hint = _WANTED[kind]
            notes.wrong(here, "wrong-type", f"must be {wanted}, and is {kind_of(value)}", hint)
        case _:
            notes.wrong(here, "bad-value", _plainly(detail["msg"], value))


def _plainly(message: str, value: Any) -> str:
    """Turn pydantic's sentence about a number into ours."""
    who = f"{value} must be" if isinstance(value, int | float) else "must be"
    for theirs, ours in _PHRASES:
        message = message.replace(theirs, ours)
    return message.replace("Input should be", who)


def _known_keys(path: Path) -> set[str]:
    names = tuple(str(part) for part in path if isinstance(part, str))
    if len(names) == 2 and names[0] == "objectives":
        return {MEASURES[names[1]].bound, "of"}
    return {key for model in _MODELS.get(names, ()) for key in model.model_fields}
