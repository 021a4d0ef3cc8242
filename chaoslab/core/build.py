"""Nodes -> plain data and places; finds keys that are written twice, and words that are traps."""

from __future__ import annotations

import math
from typing import Any

import yaml

from chaoslab.core.errors import Problem
from chaoslab.core.json_text import NUMBER_TAG, TEXT_TAG, WORD_TAG
from chaoslab.core.positions import Path, Place
from chaoslab.core.traps import resolve
from chaoslab.core.yaml_fast import PLAIN_TAG

MAX_VALUES = 50_000
_JSON_WORDS = {"true": True, "false": False, "null": None}
_COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TYPES: dict[str, tuple[type, ...]] = {
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (float, int),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:null": (type(None),),
}

Pairs = dict[str, tuple[yaml.Node, yaml.Node]]


class Builder:
    """Builds the data of one file."""

    def __init__(self, file: str) -> None:
        """Take the file's name, for the problems."""
        self.file = file
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self.traps: list[Problem] = []
        self._open: set[int] = set()
        self._left = MAX_VALUES

    def build(self, node: yaml.Node, path: Path = ()) -> Any:
        """Return the data of a node and note where it stands."""
        self.values[path] = _place(node)
        self._left -= 1
        if self._left < 0:
            self._expands_too_far(node)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in _COLLECTION_TAGS:
            self._tag(node)
            return None
        if id(node) in self._open:
            self._problem(node, "alias-loop", "an alias repeats what contains it", "remove the alias")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data = {}
        for name, (key, value) in self._pairs(node, seen=frozenset()).items():
            inner = (*path, name)
            self.keys[inner] = _place(key)
            data[name] = self.build(value, inner)
        return data

    def _pairs(self, node: yaml.MappingNode, *, seen: frozenset[int]) -> Pairs:
        """Return the keys of a mapping, those that it merges with `<<` included."""
        own: Pairs = {}
        merged: Pairs = {}
        for key, value in node.value:
            if key.tag == PLAIN_TAG and key.value == "<<":
                for source in self._merge_sources(value, seen=seen | {id(node)}):
                    for name, pair in self._pairs(source, seen=seen | {id(node)}).items():
                        merged.setdefault(name, pair)
                continue
            name = self._key(key)
            if name in own:
                first = _place(own[name][0])
                message = f"the key '{name}' is written twice, first on line {first.line}"
                self._problem(key, "duplicate-key", message, "remove one: only the last would count")
            own[name] = (key, value)
        return {**{name: pair for name, pair in merged.items() if name not in own}, **own}

    def _merge_sources(self, node: yaml.Node, *, seen: frozenset[int]) -> list[yaml.MappingNode]:
        candidates = node.value if isinstance(node, yaml.SequenceNode) else [node]
        sources = []
        for candidate in candidates:
            self._left -= 1
            if self._left < 0:
                self._expands_too_far(candidate)
                break
            if id(candidate) in seen:
                self._problem(candidate, "alias-loop", "`<<` merges a mapping into itself", "remove it")
            elif isinstance(candidate, yaml.MappingNode):
                sources.append(candidate)
            else:
                self._problem(candidate, "wrong-type", "`<<` merges mappings only", "write `<<: *anchor`")
        return sources

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            hint = "put text that begins with { or [ in quotes"
            self._problem(node, "key-type", "a key must be text", hint)
            return f"<line {node.start_mark.line + 1}>"
        if node.tag == TEXT_TAG:
            return self._text(node)
        if node.tag != PLAIN_TAG:
            self._tag(node)
            return str(node.value)
        meaning = resolve(node.value)
        if meaning.trap:
            self._trap(node, f"the key {meaning.trap}", meaning.hint)
        elif not isinstance(meaning.value, str):
            told = f"the key `{node.value}` is no text" if node.value else "a key is missing before ':'"
            self._trap(node, told, f"write '{node.value}' in quotes" if node.value else "write one")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == WORD_TAG:
            return _JSON_WORDS[node.value]
        if node.tag == NUMBER_TAG:
            return self._json_number(node)
        if node.tag == TEXT_TAG:
            return self._text(node)
        meaning = resolve(node.value)
        if node.tag == PLAIN_TAG:
            if meaning.trap:
                self._trap(node, meaning.trap, meaning.hint)
            return meaning.value
        if type(meaning.value) not in _TYPES.get(node.tag, ()):  # a bool would pass for an int
            self._tag(node)
        return meaning.value

    def _json_number(self, node: yaml.ScalarNode) -> Any:
        word = node.value
        if len(word) <= 300:
            number = float(word) if set(word) & set(".eE") else int(word)
            if math.isfinite(number):
                return number
        self._problem(node, "bad-value", f"{word[:20]} is too large a number", "write it as text, or smaller")
        return None

    def _text(self, node: yaml.ScalarNode) -> str:
        """Join escaped surrogate pairs; a lone one could never be written anywhere."""
        text = str(node.value)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            try:
                return text.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                message = "half of a surrogate pair is no character"
                self._problem(node, "bad-value", message, "write the character itself")
                return ""
        return text

    def _tag(self, node: yaml.Node) -> None:
        tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
        hint = "remove it, and put text that begins with ! in quotes"
        self._problem(node, "yaml-tag", f"the tag {tag[:60]} means nothing here", hint)

    def _expands_too_far(self, node: yaml.Node) -> None:
        message = f"the file expands to more than {MAX_VALUES} values"
        if not any(problem.message == message for problem in self.problems):
            self._problem(node, "too-large", message, "use fewer aliases")

    def _problem(self, node: yaml.Node, code: str, message: str, hint: str) -> None:
        place = _place(node)
        self.problems.append(Problem(self.file, place.line, place.column, code, message, hint))

    def _trap(self, node: yaml.Node, message: str, hint: str) -> None:
        place = _place(node)
        self.traps.append(Problem(self.file, place.line, place.column, "yaml-trap", message, hint))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
