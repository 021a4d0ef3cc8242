"""Arguments of actions and probes, read from the text that catalog files and `--var` give."""

import os
from collections.abc import Callable, Iterable

from chaoslab.core.errors import BadUsage
from chaoslab.core.units import duration_text, parse_duration, parse_share, parse_size

LONGEST_TTL_VARIABLE = "CHAOSLAB_LONGEST_TTL"
_LONGEST_TTL = "24h"
"""A time-to-live is for the case that everything else fails; who writes a week has mistaken it for a schedule."""


def seconds(name: str, value: str | float) -> float:
    """Return a duration (`10s`, `200ms`) in seconds.

    Raises:
        BadUsage: it is no duration; names the argument.
    """
    return _read(name, value, parse_duration)


def seconds_up_to(name: str, value: str | float, *, most_s: float, hint: str = "") -> float:
    """Return a duration above zero in seconds.

    Args:
        name: of the argument
        value: as the file has it
        most_s: the longest that makes sense, in seconds
        hint: ends the refusal: what to use instead, or why there is a bound

    Raises:
        BadUsage: it is no duration, or out of its bounds; names the argument.
    """
    given_s = seconds(name, value)
    if not 0 < given_s <= most_s:
        told = f"{name}: must be above 0s and at most {duration_text(most_s)}"
        raise BadUsage(f"{told}; {hint}" if hint else told)
    return given_s


def latency_and_jitter(latency: str, jitter: str, *, most_s: float, hint: str = "") -> tuple[float, float]:
    """Return how much later something comes and by how much that varies, both in seconds; for the rest see above.

    Raises:
        BadUsage: one is no duration or out of its bounds, or it varies by more than it is.
    """
    latency_s, jitter_s = seconds_up_to("latency", latency, most_s=most_s, hint=hint), seconds("jitter", jitter)
    if jitter_s > latency_s:
        raise BadUsage(f"jitter: must be at most the latency, {duration_text(latency_s)}")
    return latency_s, jitter_s


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


def share_above_zero(name: str, value: str) -> float:
    """Return a share of which something is left, as a number up to 1.

    Raises:
        BadUsage: it is no share, or 0%; names the argument.
    """
    part = share(name, value)
    if not part > 0:
        raise BadUsage(f"{name}: must be above 0%")
    return part


def share_or_size(share: str, size: str) -> tuple[float, int]:
    """Return how much is meant, as a share or in bytes; the other one is 0.

    Raises:
        BadUsage: both are given or none, it makes no sense, or it is nothing.
    """
    if bool(share) == bool(size):
        raise BadUsage("give either share or size")
    if share:
        return share_above_zero("share", share), 0
    wanted = size_bytes("size", size)
    if not wanted > 0:
        raise BadUsage("size: must be above zero")
    return 0.0, wanted


def one_of(name: str, value: str, known: Iterable[str]) -> str:
    """Return a word that must be one of some; an empty one is told to nobody.

    Raises:
        BadUsage: it is none of them; names the argument.
    """
    words = list(known)
    if value not in words:
        raise BadUsage(f"{name}: {value!r} is none of {', '.join(filter(None, words))}")
    return value


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
