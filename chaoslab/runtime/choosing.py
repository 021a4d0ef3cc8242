"""Which of several that fit are meant: all, so many, a share, or some by chance; never several for want of a word."""

import math
import re
from collections.abc import Callable, Sequence

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.runtime.arguments import share_above_zero
from chaoslab.runtime.clock import seeded

_RANDOM = re.compile(r"(?:(?P<many>\S+) )?random (?P<seed>\d{1,18})", re.ASCII)
_SHOWN = 8
_KNOWN = "all, a number, a share such as 50%, or random 7"


def chosen[T](
    fitting: Sequence[T], which: str, *, guard: str, fit: str, name: Callable[[T], str], words: Sequence[str] = ()
) -> list[T]:
    """Return as many as are meant, in their order: the first, or those that a seed draws.

    Args:
        fitting: all that fit, at least one, in an order that is the same when a plan is made twice
        which: `2`, `50%`, `all`, `random 7`, `2 random 7`; without it exactly one must fit
        guard: who refuses
        fit: who they are, for the message: `processes fit name web`
        name: how one is called in the message
        words: what else the caller understands, for the message

    Raises:
        BadUsage: the word makes no sense.
        Refused: several fit where one was meant, or fewer than are meant.
    """
    known = ", ".join([*words, _KNOWN])
    if not which and len(fitting) > 1:
        told = f"{len(fitting)} {fit}: {several([name(one) for one in fitting])}"
        raise Refused(guard, f"{told}; name one, or say `which`: {known}")
    many, places = which or "1", list(range(len(fitting)))
    if drawn := _RANDOM.fullmatch(which):
        many = drawn["many"] or "1"
        seeded(int(drawn["seed"])).shuffle(places)
    number = _number(many, len(fitting))
    if number < 1:
        raise BadUsage(f"which: {which!r} is none of these: {known}")
    if number > len(fitting):
        told = f"{number} are meant, and only {len(fitting)} {fit}"
        raise Refused(guard, f"{told}: {several([name(one) for one in fitting])}")
    return [fitting[place] for place in sorted(places[:number])]


def several(names: Sequence[str]) -> str:
    """Name some of them, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def pattern_of(argument: str, text: str) -> re.Pattern[str]:
    """Read a regular expression that chooses.

    Raises:
        BadUsage: it is none, or chooses everybody; names the argument.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise BadUsage(f"{argument}: {text!r} is no regular expression: {error}") from error
    if pattern.search(""):
        raise BadUsage(f"{argument}: {text!r} fits everything; write a part that only the meant ones have")
    return pattern


def _number(many: str, there: int) -> int:
    """Return how many are meant; 0 for a word that says nothing of the kind."""
    if many == "all":
        return there
    if many.endswith("%"):
        return max(1, math.floor(share_above_zero("which", many) * there))
    return int(many) if many.isascii() and many.isdigit() else 0
