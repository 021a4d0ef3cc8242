"""Plain YAML text -> nodes, by the parser in C, which is some ten times as fast as the one in Python.

It crashes the whole process on deep nesting, and takes some texts that Chaos Toolkit's parser refuses. So it is given
only texts that the two are known to read alike, and what it cannot read is read again by the other, for its words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

PLAIN_TAG = "tag:chaoslab,plain"
"""Marks an unquoted word, whose meaning is decided by `traps`."""

_MOST_NESTED = 1000
"""The parser in C reads twenty times as many levels without harm."""
_ODD = re.compile(
    r"[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\U00010000-\U0010ffff]"  # tabs, other line ends, controls
    r"|^(?:---|\.\.\.|%)"  # several documents, directives
    r"|(?:^[ -]*|[\[{,]\s*)\?(?:\s|$)"  # keys with a question mark
    r"|(?:^|[\s\[{,:-])(?:!|[&*](?!\w+(?: |$)))"  # tags, and anchors or aliases that run into something
    r"|[|>][0-9+-]*#",  # a comment at the head of a text block
    re.MULTILINE,
)
_INDENT = re.compile(r"^[ :?-]*", re.MULTILINE)

_Parser: Any = getattr(yaml, "CBaseLoader", None)


def compose_fast(text: str, *, max_depth: int) -> yaml.Node | None:
    """Read plain text into nodes; None where it must be read with more care, or is empty.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    if _Parser is None or _ODD.search(text) or not _is_shallow(text):
        return None
    node = _loader()(text).get_single_node()
    return node if _depth_of(node) <= max_depth else None


def _is_shallow(text: str) -> bool:
    """Say whether it cannot be nested so deeply that the parser would crash."""
    if text.count("[") + text.count("{") > _MOST_NESTED:
        return False
    return max(match.end() - match.start() for match in _INDENT.finditer(text)) < _MOST_NESTED


@cache
def _loader() -> Any:
    """Return the parser, made to mark unquoted words."""

    class Loader(_Parser):  # type: ignore[misc]
        def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool]) -> str:
            if kind is yaml.ScalarNode and implicit[0]:
                return PLAIN_TAG
            return str(super().resolve(kind, value, implicit))

    return Loader


def _depth_of(node: yaml.Node | None) -> int:
    """Return how deep nodes are nested; what an alias repeats counts once, and so does a loop."""
    deepest, level = 0, [node] if node is not None else []
    seen: set[int] = set()
    while level := [child for parent in level for child in _children(parent) if id(child) not in seen]:
        seen.update(map(id, level))
        deepest += 1
    return deepest


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []
