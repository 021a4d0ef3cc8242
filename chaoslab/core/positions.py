"""Where in a file every key and every value stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Path = tuple[str | int, ...]
"""The way from the top of the file to a value: keys and list indexes."""


class Place(NamedTuple):
    """A line and a column, both counted from 1."""

    line: int
    column: int


TOP = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Positions:
    """The places of all keys and values of a file."""

    keys: Mapping[Path, Place] = field(default_factory=dict)
    values: Mapping[Path, Place] = field(default_factory=dict)

    def of_value(self, path: Path) -> Place:
        """Return where a value begins; for one that is missing, where its nearest container is named."""
        if path in self.values:
            return self.values[path]
        return self.of_key(path[:-1]) if path else TOP

    def of_key(self, path: Path) -> Place:
        """Return where a key stands; for a list item, where the item begins."""
        if path in self.keys:
            return self.keys[path]
        return self.of_value(path)


def path_text(path: Path) -> str:
    """Write a path as people do: `method[0].provider.module`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
