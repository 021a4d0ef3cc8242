"""JSON text -> the same nodes that YAML gives, so that a JSON file has positions too.

YAML's reader is no reader for JSON: it refuses tabs as indentation and breaks characters beyond U+FFFF apart.
"""

from __future__ import annotations

import bisect
import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # there since Python 2, yet unknown to typeshed

import yaml

NUMBER_TAG = "tag:chaoslab,json-number"
TEXT_TAG = "tag:yaml.org,2002:str"
WORD_TAG = "tag:chaoslab,json-word"

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LINE_END = re.compile(r"\r\n|\r|\n")


class JsonError(Exception):
    """The text is no JSON from here on."""

    def __init__(self, mark: yaml.Mark, message: str, hint: str) -> None:
        """Name the place, what is wrong there and what would be right."""
        super().__init__(mark, message, hint)
        self.mark = mark
        self.message = message
        self.hint = hint


def compose_json(text: str, *, max_depth: int) -> yaml.Node | None:
    """Read one JSON value into nodes; return None for empty text.

    Raises:
        JsonError: the text is no JSON, or is nested deeper than `max_depth`.
    """
    reader = _Reader(text, max_depth=max_depth)
    reader.skip_space()
    if reader.index == len(text):
        return None
    node = reader.value(depth=0)
    reader.skip_space()
    if reader.index < len(text):
        raise reader.error("more text after the end of the JSON value", "a file holds one JSON value")
    return node


class _Reader:
    """Walks through the text once, from left to right."""

    def __init__(self, text: str, *, max_depth: int) -> None:
        self.text = text
        self.index = 0
        self.max_depth = max_depth
        self.line_starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def mark(self, index: int | None = None) -> yaml.Mark:
        at = self.index if index is None else index
        line = bisect.bisect_right(self.line_starts, at) - 1
        return yaml.Mark("", at, line, at - self.line_starts[line], None, 0)

    def error(self, message: str, hint: str, index: int | None = None) -> JsonError:
        if self.text.startswith(("#", "//", "/*"), self.index if index is None else index):
            message, hint = "JSON has no comments", "remove it, or write the file as YAML, where `#` begins one"
        return JsonError(self.mark(index), message, hint)

    def skip_space(self) -> None:
        match = _SPACE.match(self.text, self.index)
        assert match is not None  # it matches the empty text too
        self.index = match.end()

    def take(self, character: str) -> bool:
        self.skip_space()
        if self.text.startswith(character, self.index):
            self.index += 1
            return True
        return False

    def value(self, *, depth: int) -> yaml.Node:
        if depth > self.max_depth:
            raise self.error(f"nested deeper than {self.max_depth} levels", "a catalog file is flat")
        self.skip_space()
        following = self.text[self.index : self.index + 1]
        if following == "{":
            return self.mapping(depth=depth)
        if following == "[":
            return self.sequence(depth=depth)
        return self.string() if following == '"' else self.word()

    def mapping(self, *, depth: int) -> yaml.MappingNode:
        start = self.mark()
        self.index += 1
        pairs: list[tuple[yaml.Node, yaml.Node]] = []
        if not self.take("}"):
            while True:
                self.skip_space()
                if not self.text.startswith('"', self.index):
                    raise self.error("a key is missing", 'write "key": value, without a comma after the last')
                key = self.string()
                if not self.take(":"):
                    raise self.error("':' is missing behind a key", 'write "key": value')
                pairs.append((key, self.value(depth=depth + 1)))
                if not self.another("}"):
                    break
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, start, self.mark())

    def sequence(self, *, depth: int) -> yaml.SequenceNode:
        start = self.mark()
        self.index += 1
        items: list[yaml.Node] = []
        if not self.take("]"):
            while True:
                items.append(self.value(depth=depth + 1))
                if not self.another("]"):
                    break
        return yaml.SequenceNode("tag:yaml.org,2002:seq", items, start, self.mark())

    def another(self, end: str) -> bool:
        """Step over the comma to the next item, or over the end."""
        if self.take(","):
            return True
        if self.take(end):
            return False
        raise self.error(f"',' or '{end}' is missing", "put a comma between two items")

    def string(self) -> yaml.ScalarNode:
        start = self.mark()
        try:
            value, self.index = scanstring(self.text, self.index + 1, True)
        except json.JSONDecodeError as error:
            hint = "close the quotes, and write line ends as \\n"
            raise self.error(error.msg.removesuffix(" at").lower(), hint, error.pos) from error
        return yaml.ScalarNode(TEXT_TAG, value, start, self.mark(), style='"')

    def word(self) -> yaml.ScalarNode:
        start = self.mark()
        match = _NUMBER.match(self.text, self.index)
        if match is not None:
            self.index = match.end()
            return yaml.ScalarNode(NUMBER_TAG, match[0], start, self.mark())
        match = _WORD.match(self.text, self.index)
        if match is not None and match[0] in ("true", "false", "null"):
            self.index = match.end()
            return yaml.ScalarNode(WORD_TAG, match[0], start, self.mark())
        found = f"`{match[0][:30]}` is no JSON value" if match else "a value is missing"
        raise self.error(found, 'write text in "double quotes", a number, true, false, null, [...] or {...}')
