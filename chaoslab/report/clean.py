"""What a part of a report does to each value that it takes in.

Whatever a log says, what comes out is JSON that any parser reads: no NaN, no infinity, no half of a surrogate pair.
A value of the wrong kind is a `BadValue`: the log is damaged.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

type Clean = Callable[[Any], Any]

_DIGITS = 6
"""Microseconds: what the run log has."""
_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class BadValue(ValueError):
    """A value that a report has no place for."""


def readable(value: Any) -> str:
    """Return text that can be written as UTF-8; nothing becomes ''."""
    text = "" if value is None else str(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def whole(value: Any) -> int:
    """Return a whole number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return int(value)  # also of an exit code
    raise BadValue(f"{_shown(value)} is no whole number")


def number(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
        return float(value)
    raise BadValue(f"{_shown(value)} is no number")


def seconds(value: Any) -> float:
    """Return seconds, to the microsecond."""
    return round(number(value), _DIGITS)


def yes_or_no(value: Any) -> bool:
    """Return a truth value."""
    if isinstance(value, bool):
        return value
    raise BadValue(f"{_shown(value)} is neither true nor false")


def one_of(*words: str) -> Clean:
    """Return what takes one of these words and nothing else."""

    def known(value: Any) -> Any:
        if value in words:
            return value
        raise BadValue(f"{_shown(value)} is none of {', '.join(words)}")

    return known


def maybe(clean: Clean) -> Clean:
    """Return what takes also None, and for it a number that is infinite or none at all."""

    def cleaned(value: Any) -> Any:
        boundless = isinstance(value, float) and not math.isfinite(value)
        return None if value is None or boundless else clean(value)

    return cleaned


def each(clean: Clean) -> Clean:
    """Return what takes a list."""

    def cleaned(values: Any) -> list[Any]:
        if not isinstance(values, list | tuple):
            raise BadValue(f"{_shown(values)} is no list")
        return [clean(value) for value in values]

    return cleaned


def by_name(clean: Clean) -> Clean:
    """Return what takes a mapping of names to values."""

    def cleaned(values: Any) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            raise BadValue(f"{_shown(values)} is no mapping")
        return {readable(name): clean(value) for name, value in values.items()}

    return cleaned


def amount(value: Any) -> Any:
    """Return a number, or a tuple of its two bounds; None is boundless."""
    if isinstance(value, int):
        return int(value)
    if not isinstance(value, list | tuple):
        return maybe(number)(value)
    if len(value) != 2:
        raise BadValue(f"{_shown(value)} are not two bounds")
    return tuple(map(maybe(number), value))


def json_safe(value: Any) -> Any:
    """Return JSON data; a NaN found in a table is evidence, so it stays, as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NO_NUMBERS[str(value)]
    if isinstance(value, dict):
        return {readable(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    return readable(value)


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def _shown(value: Any) -> str:
    return readable(ascii(value)[:60])
