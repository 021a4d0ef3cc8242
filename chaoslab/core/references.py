"""`${name}` in a file: what provides it, and what the engine would pass on as literal text without a word.

The engine replaces a reference by a value of `configuration` or of a group of `secrets`; we add the output of
every earlier step of the method, under the step's name. A name is letters, digits and `_`: nothing else is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Template
from typing import Any, NamedTuple

from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.suggest import closest
from chaoslab.core.toolkit import HYPOTHESIS, steps_of

_SPELLED = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<inside>[^{}]*)\})")
_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
SHELLS = ("sh", "bash", "zsh", "dash", "ksh", "ash")
_REPLACED_IN_PROVIDER = ("arguments", "url", "headers", "timeout")
_NOT_REPLACED_IN_PROVIDER = ("module", "func", "path", "method")

assert Template.braceidpattern is None  # the engine uses the same names inside and outside of braces


class Known(NamedTuple):
    """The names that references may use at some point of the file."""

    names: frozenset[str]
    later: frozenset[str] = frozenset()
    """Steps that come too late to be of use."""
    complete: bool = True
    """False where a vault or a control brings names that the file does not show."""


def known_names(data: dict[str, Any]) -> Known:
    """Return what `configuration` and `secrets` provide."""
    configuration = data.get("configuration")
    names = set(configuration) if isinstance(configuration, dict) else set()
    complete = True
    secrets = data.get("secrets")
    for group in (secrets if isinstance(secrets, dict) else {}).values():
        if not isinstance(group, dict):
            continue
        if group.get("type") == "vault":
            complete = False
        elif group.get("type") != "env":
            names |= set(group)
    complete = complete and not _has_controls_of_others(data)
    return Known(frozenset(names), complete=complete)


def _has_controls_of_others(data: dict[str, Any]) -> bool:
    """Say whether the file has a control that may set values before the method begins."""
    controls = data.get("controls")
    providers = [c.get("provider") for c in controls if isinstance(c, dict)] if isinstance(controls, list) else []
    modules = [str(provider.get("module")) for provider in providers if isinstance(provider, dict)]
    return any(not module.startswith("chaoslab.") for module in modules)


def check_references(data: dict[str, Any], extension: dict[str, Any] | None, notes: Notes) -> None:
    """Note every reference that nothing provides where it stands."""
    known = known_names(data)
    steps = steps_of(data, "method")
    outputs = [str(step.get("name") or step.get("ref") or "") for _, step in steps]
    for path, step in steps_of(data, HYPOTHESIS, "probes"):
        _check_step(step, path, Known(known.names, frozenset(outputs), known.complete), notes)
    for index, (path, step) in enumerate(steps):
        names = known.names | set(outputs[:index])
        _check_step(step, path, Known(names, frozenset(outputs[index:]), known.complete), notes)
    for path, step in steps_of(data, "rollbacks"):
        _check_step(step, path, Known(known.names | set(outputs), frozenset(), known.complete), notes)
    _check_configuration(data, known, notes)
    if extension is not None:
        _check_extension(extension, Known(known.names, frozenset(outputs), known.complete), notes)


def references_in(text: str) -> list[str]:
    """Return the names between `${` and `}`, in order; `$${` is an escaped `${`."""
    return [match["inside"] for match in _SPELLED.finditer(text) if match["inside"] is not None]


def texts_in(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every text inside a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts_in(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts_in(inner, (*path, index))


def _check_step(step: dict[str, Any], path: Path, known: Known, notes: Notes) -> None:
    _check_provider(step.get("provider"), (*path, "provider"), known, notes)
    _check_value(step.get("pauses"), (*path, "pauses"), known, notes)
    tolerance = step.get("tolerance")
    inner = (*path, "tolerance")
    if isinstance(tolerance, str):
        _check_value(tolerance, inner, known, notes)
    elif isinstance(tolerance, dict):
        _check_provider(tolerance.get("provider"), (*inner, "provider"), known, notes)
        for key in ("pattern", "path", "expect"):
            _check_value(tolerance.get(key), (*inner, key), known, notes)


def _check_provider(provider: Any, path: Path, known: Known, notes: Notes) -> None:
    if not isinstance(provider, dict):
        return
    for key in _REPLACED_IN_PROVIDER:
        # A shell has variables of its own, written alike.
        is_shell = key == "arguments" and provider.get("type") == "process" and is_read_by_shell(provider)
        _check_value(provider.get(key), (*path, key), known._replace(complete=False) if is_shell else known, notes)
    for key in _NOT_REPLACED_IN_PROVIDER:
        for where, text in texts_in(provider.get(key), (*path, key)):
            for inside in references_in(text):
                message = f"`${{{inside}}}` is not replaced here"
                notes.doubt(where, "not-replaced", message, "write the value itself; `arguments` can hold references")


def is_read_by_shell(provider: dict[str, Any]) -> bool:
    """Say whether a shell reads the arguments of a process."""
    arguments = provider.get("arguments")
    program = str(provider.get("path")).rpartition("/")[2]
    return isinstance(arguments, str) or program in SHELLS


def _check_configuration(data: dict[str, Any], known: Known, notes: Notes) -> None:
    """Note values that mean to use each other: the engine takes them as they stand."""
    configuration = data.get("configuration")
    for name, value in (configuration if isinstance(configuration, dict) else {}).items():
        is_dynamic = isinstance(value, dict) and value.get("type") == "probe"
        if is_dynamic:
            _check_provider(value.get("provider"), ("configuration", name, "provider"), known, notes)
            continue
        for where, text in texts_in(value, ("configuration", name)):
            if any(inside in known.names for inside in references_in(text)):
                message = "one value of the configuration cannot use another"
                notes.doubt(where, "not-replaced", message, "put the reference where the value is used")


def _check_extension(extension: dict[str, Any], known: Known, notes: Notes) -> None:
    fields = (("targets", "address"), ("probers", "url"), ("probers", "probe"), ("probers", "requests"))
    for section, key in (*fields, ("tripwires", "probe")):
        items = extension.get(section)
        for index, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict):
                _check_value(item.get(key), (*notes.extension, section, index, key), known, notes)


def _check_value(value: Any, path: Path, known: Known, notes: Notes) -> None:
    for where, text in texts_in(value, path):
        for inside in references_in(text):
            _check_reference(inside, where, known, notes)


def _check_reference(inside: str, path: Path, known: Known, notes: Notes) -> None:
    spelled = f"`${{{inside}}}`"
    if not _NAME.fullmatch(inside):
        message = f"{spelled} is never replaced: a name is letters, digits and _"
        notes.doubt(path, "bad-reference", message, _renaming_hint(inside, known))
    elif inside in known.names:
        return
    elif inside in known.later:
        message = f"{spelled} is the output of a step that has not run by then"
        notes.doubt(path, "late-reference", message, "use it in a later step of the method")
    elif known.complete:
        meant = closest(inside, [name for name in known.names if _NAME.fullmatch(name)])
        hint = f"did you mean '${{{meant}}}'?" if meant else "add it to `configuration`, or name an earlier step so"
        message = f"nothing provides {spelled}, so it would stay as it is written"
        literal = f" (write $${{{inside}}} for literal text)" if "arguments" in path else ""
        notes.doubt(path, "unknown-reference", message, hint + literal)


def _renaming_hint(inside: str, known: Known) -> str:
    plain = re.sub(r"\W", "_", inside, flags=re.ASCII).strip("_")
    if inside in known.names or inside in known.later:
        return f"rename '{inside}' to '{plain}'"
    return f"write ${{{plain}}}" if plain in known.names else "only a whole value can be passed on, not a part of it"


def known_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments without those that still wait for a value: the output of a step."""
    return {
        name: value
        for name, value in arguments.items()
        if not any(references_in(text) for _, text in texts_in(value, ()))
    }
