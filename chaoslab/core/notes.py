"""Collects what is wrong with a file while it is checked, so that everything is told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chaoslab.core.errors import Problem
from chaoslab.core.positions import Path, Positions, path_text
from chaoslab.core.suggest import hint_for


class Notes:
    """The problems of one file, and the doubts: what the engine lets pass and nobody can have meant."""

    def __init__(self, file: str, positions: Positions) -> None:
        """Take the file's name and the places of everything in it."""
        self.file = file
        self.positions = positions
        self.extension: Path = ()
        """Where our extension stands, once found; paths inside it are shown without this beginning."""
        self.problems: list[Problem] = []
        self.doubts: list[Problem] = []

    def wrong(self, path: Path, code: str, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Note what the file must not say."""
        self.problems.append(self.problem(path, code, message, hint, at_key=at_key))

    def doubt(self, path: Path, code: str, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Note what a file of ours must not say, and what is only a warning in one of others."""
        self.doubts.append(self.problem(path, code, message, hint, at_key=at_key))

    def problem(self, path: Path, code: str, message: str, hint: str, *, at_key: bool = False) -> Problem:
        """Return a problem at the place of a value, or at that of its key."""
        place = self.positions.of_key(path) if at_key else self.positions.of_value(path)
        shown = self._shown(path)
        told = f"{shown}: {message}" if shown else message
        return Problem(self.file, place.line, place.column, code, told, hint)

    def _shown(self, path: Path) -> str:
        """Write a path as people know it: `objectives.rto`, not `extensions[0].objectives.rto`."""
        depth = len(self.extension)
        if depth and path[:depth] == self.extension:
            return path_text(path[depth:]) or "chaoslab"
        return path_text(path)

    def missing(self, path: Path, key: str, hint: str) -> None:
        """Note that a mapping lacks a key."""
        container = self.positions.of_key(path)
        where = f"{path_text(path)}: " if path else ""
        message = f"{where}`{key}` is missing"
        self.problems.append(Problem(self.file, container.line, container.column, "missing-key", message, hint))

    def wrong_type(self, path: Path, value: Any, wanted: str, hint: str = "") -> None:
        """Note that a value is, say, a list and must be text."""
        self.wrong(path, "wrong-type", f"must be {wanted}, and is {kind_of(value)}", hint)

    def unknown_keys(self, mapping: Mapping[str, Any], path: Path, known: Iterable[str]) -> None:
        """Note keys that the engine would silently ignore; `x-...` is free for everybody."""
        words = set(known)
        for key in mapping:
            if key not in words and not key.startswith("x-"):
                inner = (*path, key)
                self.doubt(inner, "unknown-key", "is an unknown key", hint_for(key, words), at_key=True)


def kind_of(value: Any) -> str:
    """Say what kind of value it is, for people."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text '{value}'" if 0 < len(value) <= 40 else "text" if value else "empty text"
        case list():
            return "a list"
        case _:
            return "a mapping"
