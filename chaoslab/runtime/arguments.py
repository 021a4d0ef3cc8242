"""Arguments of actions and probes, read from the text that catalog files and `--var` give."""

import os
from collections.abc import Callable

from chaoslab.core.errors import BadUsage
from chaoslab.core.units import parse_duration, parse_share, parse_size

LONGEST_TTL_VARIABLE = "CHAOSLAB_LONGEST_TTL"
_LONGEST_TTL = "24h"
"""A time-to-live is for the case that everything else fails; who writes a week has mistaken it for a schedule."""


def seconds(name: str, value: str | float) -> float:
    """Return a duration (`10s`, `200ms`) in seconds.

    Raises:
        BadUsage: it is no duration; names the argument.
    """
    return _read(name, value, parse_duration)


def time_to_live(value: str | float) -> float:
    """Return how long a fault may live without its runner's word, in seconds.

    Raises:
        BadUsage: it is no duration longer than zero, or longer than this machine allows.
    """
    ttl_s = seconds("ttl", value)
    if ttl_s <= 0:
        raise BadUsage("ttl: must be longer than zero; write 60s")
    allowed = os.environ.get(LONGEST_TTL_VARIABLE) or _LONGEST_TTL
    if ttl_s > _read(LONGEST_TTL_VARIABLE, allowed, parse_duration):
        raise BadUsage(
            f"ttl: {value} is longer than {allowed}, the longest allowed; {LONGEST_TTL_VARIABLE} changes that"
        )
    return ttl_s


def size_bytes(name: str, value: str | int) -> int:
    """Return a size (`64KiB`) in bytes.

    Raises:
        BadUsage: it is no size; names the argument.
    """
    return _read(name, value, parse_size)


def share(name: str, value: str) -> float:
    """Return a share (`95%`) as a number from 0 to 1.

    Raises:
        BadUsage: it is no share; names the argument.
    """
    return _read(name, value, parse_share)


def count(name: str, value: str | int, *, at_least: int, at_most: int) -> int:
    """Return a whole number.

    Raises:
        BadUsage: it is none, or out of its bounds; names the argument.
    """
    try:
        number = int(value)
    except ValueError:
        raise BadUsage(f"{name}: {value!r} is no whole number") from None
    if not at_least <= number <= at_most:
        raise BadUsage(f"{name}: must be from {at_least} to {at_most}, not {number}")
    return number


def yes(name: str, value: str | bool) -> bool:
    """Return whether a setting is on; an empty text is no.

    Raises:
        BadUsage: it is neither yes nor no; names the argument.
    """
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
    word = str(value).strip().lower()
    if word not in known:
        raise BadUsage(f"{name}: {value!r} is neither yes nor no")
    return known[word]


def _read[V, R](name: str, value: V, parse: Callable[[V], R]) -> R:
    try:
        return parse(value)
    except ValueError as error:
        raise BadUsage(f"{name}: {error}") from error
