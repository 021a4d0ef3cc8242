"""File text -> plain data, the place of everything in it, and what is wrong with it as text.

Whatever the bytes are, the answer is data or problems, never an exception.
"""

from __future__ import annotations

import codecs
from typing import Any, NamedTuple

import yaml

from chaoslab.core.build import Builder
from chaoslab.core.errors import Problem
from chaoslab.core.json_text import JsonError, compose_json
from chaoslab.core.positions import Positions
from chaoslab.core.yaml_text import YamlError, compose_yaml

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 60


class Document(NamedTuple):
    """A file as data."""

    data: Any
    """What JSON can hold; None when the file is empty or cannot be read."""
    positions: Positions
    problems: tuple[Problem, ...]
    """Why the file cannot be used."""
    traps: tuple[Problem, ...]
    """Words that Chaos Toolkit reads as something surprising; the data has what it reads."""


def read_document(text: str | bytes, file: str) -> Document:
    """Read a YAML file, or a JSON file when its name ends in `.json`."""
    try:
        node = _compose(_checked_text(text), file=file)
    except (YamlError, JsonError) as error:
        place = (error.mark.line + 1, error.mark.column + 1)
        problem = Problem(file, *place, "syntax", error.message, error.hint)
        return Document(None, Positions(), (problem,), ())
    except _Unreadable as error:
        return Document(None, Positions(), (error.problem(file),), ())
    if node is None:
        return Document(None, Positions(), (), ())
    builder = Builder(file)
    data = builder.build(node)
    positions = Positions(builder.keys, builder.values)
    return Document(data, positions, _unique(builder.problems), _unique(builder.traps))


class _Unreadable(Exception):
    """The bytes are no text that could be read as YAML or JSON."""

    def __init__(self, message: str, hint: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(message, hint, line, column)
        self.message = message
        self.hint = hint
        self.place = (line, column)

    def problem(self, file: str) -> Problem:
        return Problem(file, *self.place, "unreadable", self.message, self.hint)


def _compose(text: str, *, file: str) -> yaml.Node | None:
    if file.lower().endswith(".json"):
        return compose_json(text, max_depth=MAX_DEPTH)
    return compose_yaml(text, max_depth=MAX_DEPTH)


def _checked_text(text: str | bytes) -> str:
    if len(text) > MAX_CHARACTERS:
        raise _Unreadable("the file is larger than 1 MB", "a catalog file is a page or two")
    if isinstance(text, bytes):
        text = _decode(text)
    return text.removeprefix("\ufeff")


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _Unreadable("the file is written in UTF-16", "save it as UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line_start = before.rfind(b"\n") + 1
        column = len(before[line_start:].decode("utf-8")) + 1
        byte = f"0x{data[error.start]:02x}"
        message = f"the byte {byte} is no UTF-8"
        raise _Unreadable(message, "save the file as UTF-8", line=before.count(b"\n") + 1, column=column) from error


def _unique(problems: list[Problem]) -> tuple[Problem, ...]:
    """Tell what an alias repeats only once."""
    return tuple(sorted(set(problems), key=lambda problem: problem.order))
