"""What a file calls that is not on this machine: modules, functions, programs; each told with its place."""

import importlib
import inspect
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from chaoslab.core.errors import BadUsage, Problem
from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.references import texts_in
from chaoslab.core.spec import EXTENSION, Spec
from chaoslab.core.suggest import hint_for
from chaoslab.core.toolkit import HYPOTHESIS, steps_of
from chaoslab.runtime.fault import fault_of
from chaoslab.runtime.fitting import check_arguments, signature_of
from chaoslab.runtime.steps import phase_of

_BROUGHT_BY = {
    "chaosk8s": "pip install 'chaoslab[k8s]'",
    "chaosaws": "pip install chaostoolkit-aws",
    "chaosprometheus": "pip install chaostoolkit-prometheus",
    "chaoslab": "this chaoslab has no such part; see `chaoslab list`",
}


def missing_parts(spec: Spec) -> list[Problem]:
    """Return everything that the file calls and that is not there."""
    notes = Notes(spec.file, spec.positions)
    for path, provider in _providers(spec.document):
        if provider.get("type") == "python":
            _check_function(provider, path, notes)
        elif provider.get("type") == "process":
            _check_program(provider, path, notes)
    for path, control in _controls(spec.document):
        _import(str(control["provider"].get("module")), (*path, "provider", "module"), notes)
    return notes.problems


def wrong_calls(spec: Spec) -> list[Problem]:
    """Return the steps that call functions of ours which are not there, or give them what makes no sense to them."""
    notes = Notes(spec.file, spec.positions)
    for path, provider in _providers(spec.document):
        if provider.get("type") == "python" and str(provider.get("module")).partition(".")[0] == "chaoslab":
            known = len(notes.problems)
            _check_function(provider, path, notes)
            if len(notes.problems) == known:
                _check_values(provider, path, notes)
    return notes.problems


def _check_values(provider: Mapping[str, Any], path: Path, notes: Notes) -> None:
    """Read the arguments that stand in the file itself; what variables come to is read by the plan."""
    function = getattr(importlib.import_module(provider["module"]), provider["func"])
    if phase_of(function) is None and fault_of(function) is None:
        return
    arguments = provider.get("arguments") or {}
    known = {
        name: value for name, value in arguments.items() if not any("$" in text for _, text in texts_in(value, ()))
    }
    try:
        check_arguments(function, known)
    except BadUsage as error:
        wrong_argument(error, (*path, "arguments"), notes)


def wrong_argument(error: BadUsage, path: Path, notes: Notes) -> None:
    """Note which of the arguments at a path makes no sense."""
    argument, _, told = str(error).partition(": ")
    is_one = (*path, argument) in notes.positions.values
    notes.wrong((*path, argument) if is_one else path, "bad-value", told if is_one else str(error))


def _providers(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    data = dict(document)
    for section in ((HYPOTHESIS, "probes"), ("method",), ("rollbacks",)):
        for path, step in steps_of(data, *section):
            yield from _provider_of(path, step)
            tolerance = step.get("tolerance")
            if isinstance(tolerance, dict) and tolerance.get("type") == "probe":
                # The engine adds the value that is to be judged.
                judging = {**(tolerance.get("provider") or {})}
                judging["arguments"] = {**(judging.get("arguments") or {}), "value": None}
                yield (*path, "tolerance", "provider"), judging
    for index, extension in enumerate(document.get("extensions") or ()):
        for part_of in ("probers", "tripwires") if extension["name"] == EXTENSION else ():
            for number, part in enumerate(extension.get(part_of, ())):
                if "probe" in part:
                    yield ("extensions", index, part_of, number, "probe"), {"type": "python", **part["probe"]}
    for name, value in (document.get("configuration") or {}).items():
        if isinstance(value, dict) and value.get("type") == "probe":
            yield from _provider_of(("configuration", name), value)


def _provider_of(path: Path, step: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(provider := step.get("provider"), dict):
        yield (*path, "provider"), provider


def _controls(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the controls: the engine would go on without one whose module is not there."""
    holders: list[tuple[Path, Any]] = [((), document), ((HYPOTHESIS,), document.get(HYPOTHESIS) or {})]
    for section in ((HYPOTHESIS, "probes"), ("method",), ("rollbacks",)):
        holders += steps_of(dict(document), *section)
    for path, holder in holders:
        for index, control in enumerate(holder.get("controls") or ()):
            if isinstance(control.get("provider"), dict):
                yield (*path, "controls", index), control


def _check_function(provider: Mapping[str, Any], path: Path, notes: Notes) -> None:
    module = _import(str(provider.get("module")), (*path, "module"), notes)
    if module is None:
        return
    name = str(provider.get("func"))
    function = getattr(module, name, None)
    if not (inspect.isfunction(function) or inspect.isbuiltin(function)):
        found = inspect.getmembers(module, inspect.isfunction)
        known = [one for one, member in found if member.__module__ == module.__name__ and not one.startswith("_")]
        notes.wrong(
            (*path, "func"), "no-function", f"{module.__name__} has no function '{name}'", hint_for(name, known)
        )
        return
    _check_arguments(function, provider, path, notes)


def _check_arguments(function: Any, provider: Mapping[str, Any], path: Path, notes: Notes) -> None:
    try:
        signature = signature_of(function)
    except ValueError:
        return  # written in C, without a signature
    arguments = dict(provider.get("arguments") or {})
    for injected in ("secrets", "configuration"):
        if injected in signature.parameters:
            arguments.setdefault(injected, None)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        hint = f"it takes {', '.join(signature.parameters) or 'no arguments'}"
        notes.wrong((*path, "arguments"), "bad-arguments", str(error), hint, at_key=True)


def _check_program(provider: Mapping[str, Any], path: Path, notes: Notes) -> None:
    program = str(provider.get("path"))
    if shutil.which(os.path.expanduser(program)) is None:
        notes.wrong((*path, "path"), "no-program", f"there is no program {program} that may be run", "install it")


def _import(name: str, path: Path, notes: Notes) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = _BROUGHT_BY.get(name.partition(".")[0], "install the package that has it, or set PYTHONPATH")
        notes.wrong(path, "no-module", f"cannot import {name}: {error}", hint)
    except Exception as error:
        notes.wrong(path, "no-module", f"importing {name} raises {type(error).__name__}: {error}")
    return None
