"""Bring definitions that mean the same to the same text.

PostgreSQL writes `status IN ('new', 'old')` on a varchar column as
`(ARRAY['new'::character varying, 'old'::character varying])::text[]`; when a dump of that is restored, the
cast has moved into the array: `ARRAY[('new'::character varying)::text, ('old'::character varying)::text]`.
Every healthy dump has this, so it must not count as a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPEN, _CLOSE = "([", ")]"
_TYPE = re.compile(r"[\w .\"]+")


def normalised(definition: str) -> str:
    """Return the definition with casts of arrays moved into their elements."""
    begin = 0
    while (begin := _next_array(definition, begin)) >= 0:
        moved = _moved(definition, begin)
        if moved is None:
            begin += 1
        else:
            definition = moved
    return definition


def _next_array(text: str, begin: int) -> int:
    """Return where the next array in brackets begins, outside of strings and names; -1 if there is none."""
    if "(ARRAY[" not in text[begin:]:
        return -1
    places = (place for place, letter in _outside_quotes(text, 0) if letter == "(" and place >= begin)
    return next((place for place in places if text.startswith("(ARRAY[", place)), -1)


def _moved(text: str, begin: int) -> str | None:
    """Return the text with the cast of the array at `begin` moved inside; None when it is not cast."""
    end = _matching(text, begin + len("(ARRAY"))
    if end < 0 or not text.startswith(")::", end + 1):
        return None
    type_begin = end + len("])::")
    type_end = text.find("[]", type_begin)
    cast = text[type_begin:type_end]
    if type_end < 0 or not _TYPE.fullmatch(cast):
        return None
    elements = _elements(text[begin + len("(ARRAY[") : end])
    inside = ", ".join(f"({element})::{cast}" for element in elements)
    return f"{text[:begin]}ARRAY[{inside}]{text[type_end + 2 :]}"


def _matching(text: str, begin: int) -> int:
    """Return where the bracket that opens at `begin` is closed, or -1."""
    depth = 0
    for place, letter in _outside_quotes(text, begin):
        if letter in _OPEN:
            depth += 1
        elif letter in _CLOSE:
            depth -= 1
            if depth == 0:
                return place
    return -1


def _elements(text: str) -> list[str]:
    """Split at the commas that stand outside of brackets and quotes."""
    depth, begin, found = 0, 0, []
    for place, letter in _outside_quotes(text, 0):
        if letter in _OPEN:
            depth += 1
        elif letter in _CLOSE:
            depth -= 1
        elif letter == "," and depth == 0:
            found.append(text[begin:place].strip())
            begin = place + 1
    return [*found, text[begin:].strip()]


def _outside_quotes(text: str, begin: int) -> Iterator[tuple[int, str]]:
    """Yield places and letters that are neither in 'a string' nor in "a name"; a doubled quote ends nothing."""
    quote = ""
    for place in range(begin, len(text)):
        letter = text[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            yield place, letter


def excerpt(expected: str, actual: str, *, around: int = 60) -> tuple[str, str]:
    """Return the parts of two texts around their first difference, one line each."""
    limit = min(len(expected), len(actual))
    first = next((n for n in range(limit) if expected[n] != actual[n]), limit)
    begin = max(0, first - around)

    def cut(text: str) -> str:
        part = " ".join(text[begin : first + around].split())
        return f"{'... ' if begin else ''}{part}{' ...' if len(text) > first + around else ''}"

    return cut(expected), cut(actual)
