"""Names as DNS has them, and patterns that mean some of them."""

import re
from dataclasses import dataclass

from chaoslab.core.errors import BadUsage
from chaoslab.network.matching import words

ALL = "*"
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Names:
    """Patterns: `db.internal` means that name, `*.internal` all below, `*` every name."""

    patterns: tuple[str, ...]

    def mean(self, name: str) -> bool:
        """Say whether a name is meant; case and a dot at its end do not matter."""
        plain = name.lower().rstrip(".")
        return any(_fits(plain, pattern) for pattern in self.patterns)


def names(value: str | list[str]) -> Names:
    """Return the patterns that are written with commas or as a list.

    Raises:
        BadUsage: none is given, or one can be no name.
    """
    patterns = tuple(sorted({_pattern(word) for word in words(value)}))
    if not patterns:
        raise BadUsage("names: name at least one, as db.internal or *.internal; * means every name")
    return Names(patterns)


def _fits(name: str, pattern: str) -> bool:
    if pattern == ALL:
        return True
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def _pattern(word: str) -> str:
    if word == ALL:
        return word
    below, bare = word.startswith("*."), word.removeprefix("*.").rstrip(".")
    try:
        plain = bare if bare.isascii() else bare.encode("idna").decode()
    except UnicodeError:
        plain = ""
    plain = plain.lower()
    if not plain or len(plain) > 253 or not all(_LABEL.fullmatch(label) for label in plain.split(".")):
        raise BadUsage(f"names: {word!r} is no name; write db.internal, *.internal or *")
    return f"*.{plain}" if below else plain
