"""Which of the containers that fit are meant: by a pattern of their names, by how many, by chance with a seed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.docker.client import GUARD
from chaoslab.runtime.arguments import share_above_zero
from chaoslab.runtime.clock import seeded

_ID = re.compile(r"[0-9a-f]{4,64}")
_PATTERN = re.compile(r"re2?:(?P<pattern>.*)", re.DOTALL)
"""No name of a container has a colon in it."""
_RANDOM = re.compile(r"(?:(?P<many>\S+) )?random (?P<seed>\d{1,18})", re.ASCII)
_SHOWN = 8


def is_named(attrs: Mapping[str, Any], container: str) -> bool:
    """Say whether a container has a name, or one in which the pattern of `re:PATTERN` occurs, or an id that begins so.

    Raises:
        BadUsage: the pattern is no regular expression, or fits every name.
    """
    name = str(attrs["Name"]).lstrip("/")
    if given := _PATTERN.fullmatch(container):
        return pattern_of(given["pattern"]).search(name) is not None
    return name == container or (bool(_ID.fullmatch(container)) and str(attrs["Id"]).startswith(container))


def pattern_of(text: str) -> re.Pattern[str]:
    """Read the regular expression of a name.

    Raises:
        BadUsage: it is none, or fits every name.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise BadUsage(f"container: {text!r} is no regular expression: {error}") from error
    if pattern.search(""):
        raise BadUsage(f"container: {text!r} fits every name; write a part that only the meant ones have")
    return pattern


def choose(fitting: Sequence[Any], which: str, wish: str) -> list[Any]:
    """Return as many as are meant, the first by name or those that a seed draws: a plan made twice is the same plan.

    Args:
        fitting: what the daemon says of each that fits
        which: `2`, `50%`, `all`, `random 7`, `2 random 7`; without it exactly one must fit
        wish: how they were described, for the message

    Raises:
        BadUsage: the word makes no sense.
        Refused: several fit where one was meant, or fewer than are meant.
    """
    ordered = sorted(fitting, key=lambda attrs: str(attrs["Name"]))
    names = [attrs["Name"].lstrip("/") for attrs in ordered]
    if not which and len(ordered) > 1:
        told = f"{len(ordered)} containers fit ({wish}): {several(names)}"
        raise Refused(GUARD, f"{told}; name one, or say `which`: all, a number, a share such as 50%, or random 7")
    many = which or "1"
    if drawn := _RANDOM.fullmatch(which):
        many = drawn["many"] or "1"
        ordered = seeded(int(drawn["seed"])).sample(ordered, len(ordered))
    number = _number(many, which, len(ordered))
    if number > len(ordered):
        raise Refused(GUARD, f"{many} containers are meant, and only {len(ordered)} fit ({wish}): {several(names)}")
    return sorted(ordered[:number], key=lambda attrs: str(attrs["Name"]))


def several(names: Sequence[str]) -> str:
    """Name some of them, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _number(many: str, which: str, there: int) -> int:
    if many == "all":
        return there
    if many.endswith("%"):
        return max(1, math.floor(share_above_zero("which", many) * there))
    if not many.isascii() or not many.isdigit() or int(many) < 1:
        known = "a number from 1 on, a share such as 50%, all, or random 7"
        raise BadUsage(f"which: {which!r} is none of these: {known}")
    return int(many)
