"""Change parts of a YAML text by its lines, so that everything else stays as its author wrote it, comments too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from chaoslab.core.document import Document, read_document


class _Dumper(yaml.SafeDumper):
    """Writes everything out, without anchors, and lists indented below their key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def dumped(data: Any) -> str:
    """Return data as YAML."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class Edit(NamedTuple):
    """Lines to be put in place of others; counted from 0, the end left out."""

    start: int
    end: int
    lines: Sequence[str]


class Editor:
    """A YAML text of which some lines are to be changed."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self._document: Document = read_document(text, "proposal.yaml")
        self._edits: list[Edit] = []
        data = self._document.data
        self.keys = list(data) if isinstance(data, dict) else []

    @property
    def is_block(self) -> bool:
        """Say whether its parts stand on lines of their own, so that they can be changed by lines."""
        positions = self._document.positions
        starts = [positions.keys.get((key,)) for key in self.keys]
        if not starts or self._document.problems or any(place is None or place.column != 1 for place in starts):
            return False
        data = self._document.data
        for section in ("method", "rollbacks", "controls", "extensions"):
            items = data.get(section)
            if items is not None and not (isinstance(items, list) and self._items_on_lines(section, len(items))):
                return False
        return "configuration" not in data or self._is_block_mapping("configuration")

    def section(self, key: str) -> tuple[int, int]:
        """Return the lines of a part: its first, and the one after its last, without what leads on to the next."""
        start = self._line(key)
        later = [self._line(other) for other in self.keys if self._line(other) > start]
        return start, self._trimmed(min(later, default=len(self.lines)), start)

    def item(self, section: str, index: int) -> tuple[int, int]:
        """Return the lines of an item of a list."""
        start = self._document.positions.values[(section, index)].line - 1
        following = self._document.positions.values.get((section, index + 1))
        end = following.line - 1 if following else self.section(section)[1]
        return start, self._trimmed(end, start)

    def indent(self, section: str) -> str:
        """Return what stands before the dashes of a list, or the keys of a mapping."""
        start, end = self.section(section)
        for line in self.lines[start + 1 : end]:
            if line.strip() and not line.lstrip().startswith("#"):
                return line[: len(line) - len(line.lstrip())]
        return "  "

    def replace(self, lines: tuple[int, int], by: Sequence[str]) -> None:
        self._edits.append(Edit(*lines, by))

    def insert(self, line: int, new: Sequence[str]) -> None:
        self._edits.append(Edit(line, line, new))

    def text(self) -> str:
        """Return the text with everything changed."""
        lines = list(self.lines)
        for edit in sorted(self._edits, key=lambda edit: (edit.start, edit.end), reverse=True):
            lines[edit.start : edit.end] = edit.lines
        return "\n".join(lines) + "\n"

    def _line(self, key: str) -> int:
        return self._document.positions.keys[(key,)].line - 1

    def _trimmed(self, end: int, start: int) -> int:
        while end > start + 1 and (not self.lines[end - 1].strip() or self.lines[end - 1].startswith("#")):
            end -= 1
        return end

    def _items_on_lines(self, section: str, count: int) -> bool:
        values = self._document.positions.values
        starts = [values[(section, index)].line - 1 for index in range(count)]
        on_dashes = all(re.match(r"\s*- \S", self.lines[start]) for start in starts)
        return on_dashes and len(set(starts)) == count and (not count or starts[0] > self._line(section))

    def _is_block_mapping(self, key: str) -> bool:
        positions = self._document.positions
        inner = self._document.data[key]
        if not isinstance(inner, dict) or not inner:
            return False
        lines = [positions.keys[(key, name)].line - 1 for name in inner]
        return min(lines) > self._line(key) and len(set(lines)) == len(lines)


def indented(text: str, indent: str) -> list[str]:
    """Return the lines of a text, each with an indentation before it."""
    return [indent + line if line else "" for line in text.rstrip("\n").split("\n")]
