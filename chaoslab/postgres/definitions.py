"""Bring definitions that mean the same to the same text.

PostgreSQL writes `status IN ('new', 'old')` on a varchar column as
`(ARRAY['new'::character varying, 'old'::character varying])::text[]`; when a dump of that is restored, the
cast has moved into the array: `ARRAY[('new'::character varying)::text, ('old'::character varying)::text]`.
Every healthy dump has this, so it must not count as a difference.
"""

from __future__ import annotations

from collections.abc import Iterator

_OPEN, _CLOSE = "([", ")]"


def normalised(definition: str) -> str:
    """Return the definition with casts of arrays moved into their elements."""
    begin = 0
    while True:
        begin = definition.find("(ARRAY[", begin)
        if begin < 0:
            return definition
        inner_end = _matching(definition, begin + len("(ARRAY"))
        if inner_end < 0 or not definition.startswith(")::", inner_end + 1):
            begin += 1
            continue
        type_begin = inner_end + len("])::")
        type_end = definition.find("[]", type_begin)
        cast = definition[type_begin:type_end]
        if type_end < 0 or not cast.replace(" ", "").replace(".", "").replace("_", "").isalnum():
            begin += 1
            continue
        elements = _elements(definition[begin + len("(ARRAY[") : inner_end])
        moved = ", ".join(f"({element})::{cast}" for element in elements)
        definition = f"{definition[:begin]}ARRAY[{moved}]{definition[type_end + 2 :]}"


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
