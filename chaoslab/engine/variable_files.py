"""Files of variables, as `--var-file` takes them: YAML, JSON, or lines of an environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.bounded import read_bounded
from chaoslab.core.document import MAX_CHARACTERS, read_document
from chaoslab.core.errors import BadFile, BadUsage, Problem
from chaoslab.core.notes import Notes, kind_of
from chaoslab.core.suggest import hint_for
from chaoslab.core.values import check_configuration

_KEYS = ("configuration", "secrets")


def read_variables(file: Path) -> Mapping[str, Any]:
    """Return what a file says under `configuration` and `secrets`; an environment file sets this process's environment.

    Raises:
        BadFile: it does not hold what such a file holds.
        BadUsage: it cannot be read.
    """
    text = _text_of(file)
    if file.suffix not in {".yaml", ".yml", ".json"}:
        _set_environment(text, file)
        return {}
    document = read_document(text, str(file))
    if document.problems:
        raise BadFile(document.problems)
    notes, data = Notes(str(file), document.positions), document.data
    if not isinstance(data, dict | None):
        notes.wrong((), "wrong-type", "variables are a mapping with the keys configuration and secrets")
    for key, values in (data or {}).items() if not notes.problems else ():
        if key not in _KEYS:
            notes.wrong((key,), "unknown-key", f"unknown key '{key}'", hint_for(str(key), _KEYS), at_key=True)
        elif not isinstance(values, dict | None):
            notes.wrong((key,), "wrong-type", f"must be a mapping, and is {kind_of(values)}")
        elif key == "configuration" and values:
            check_configuration(values, notes)
    if notes.problems:
        raise BadFile(notes.problems)
    return data or {}


def _text_of(file: Path) -> str:
    """Read a file, or what a program writes into a pipe, to a bearable length."""
    told = f"cannot read the variables in {file}"
    try:
        data = read_bounded(file, MAX_CHARACTERS)
    except OSError as error:
        raise BadUsage(f"{told}: {error.strerror or error}") from error
    if len(data) > MAX_CHARACTERS:
        raise BadUsage(f"{told}: it is larger than 1 MB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadUsage(f"{told}: it is no UTF-8: {error.reason} at byte {error.start}") from error


def _set_environment(text: str, file: Path) -> None:
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        name, equals, value = line.strip().partition("=")
        name = name.removeprefix("export ").strip()
        if not equals or not name or "\0" in line:
            problems.append(Problem(str(file), number, 1, "syntax", "a line of an environment file is NAME=value"))
        else:
            os.environ[name] = value
    if problems:
        raise BadFile(problems)
