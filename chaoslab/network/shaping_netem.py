"""What netem is told for each fault, checked and written as `tc` wants it. Pure.

Each function also tells how many packets must have been seen before the fault is said to bite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chaoslab.core.errors import BadUsage
from chaoslab.core.units import duration_text, format_share
from chaoslab.runtime.arguments import latency_and_jitter, one_of, seconds_up_to, share, share_above_zero

LONGEST_S = 10.0
DISTRIBUTIONS = ("uniform", "normal", "pareto", "paretonormal")
_CERTAINTY = 0.001
"""How likely it may at most be that so many packets passed and the fault hit none of them."""
_FEWEST_HELD, _MOST_HELD, _HELD_A_SECOND = 1000, 100_000, 100_000


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to the packets, and how many must have met it."""

    told: str
    """For people: `delay 200ms +- 20ms`."""
    words: str
    """What `tc ... netem` is told."""
    counter: str
    """What of the kernel's counters says that it bites: `met` (passed or held), `passed` or `dropped`."""
    at_least: int = 1
    longest_s: float = 0.0
    """How long a packet may be held."""


def delay_words(*, latency: str, jitter: str, correlation: str, distribution: str) -> Impairment:
    """Hold every packet for a time that may vary.

    Raises:
        BadUsage: an argument makes no sense.
    """
    hint = "to let nothing pass, block the port"
    latency_s, jitter_s = latency_and_jitter(latency, jitter, most_s=LONGEST_S, hint=hint)
    related = _chance("correlation", correlation, or_none=True)
    one_of("distribution", distribution, ("", *DISTRIBUTIONS))
    if not jitter_s and (distribution or related):
        raise BadUsage("jitter: a distribution or a correlation without jitter says nothing; give jitter")
    words = f"delay {_us(latency_s)}"
    if jitter_s:
        words += f" {_us(jitter_s)}" + (f" {_percent(related)}" if related else "")
    if distribution not in {"", "uniform"}:  # the kernel's own, when no table is given
        words += f" distribution {distribution}"
    varied = f" +- {duration_text(jitter_s)}" if jitter_s else ""
    kind = f" {distribution}" if distribution else ""
    told = f"delay {duration_text(latency_s)}{varied}{kind}"
    return Impairment(told, words, "met", longest_s=latency_s + jitter_s)


def loss_words(*, share: str, correlation: str, in_a_row: float, gemodel: str, state: str) -> Impairment:
    """Drop some packets: at random, in bursts of a mean length, or by a model with the numbers given.

    Raises:
        BadUsage: an argument makes no sense, or two ways are asked for at once.
    """
    ways = [name for name, given in (("share", share), ("gemodel", gemodel), ("state", state)) if given]
    if len(ways) != 1:
        raise BadUsage(f"give one of share, gemodel and state, not {' and '.join(ways) or 'none'}")
    if ways != ["share"] and (in_a_row or _chance("correlation", correlation, or_none=True)):
        raise BadUsage(f"{ways[0]}: in_a_row and correlation belong to share")
    if gemodel or state:
        name, most = ("gemodel", 4) if gemodel else ("state", 5)
        chances = _chances(name, gemodel or state, most)
        given = " ".join(map(_percent, chances))
        return Impairment(f"loss {name} {given}", f"loss {name} {given}", "dropped")
    chance, related = _chance("share", share), _chance("correlation", correlation, or_none=True)
    told = f"loss {format_share(chance)}"
    if not in_a_row:
        words = f"loss random {_percent(chance)}" + (f" {_percent(related)}" if related else "")
        return Impairment(told, words, "dropped")
    if related:
        raise BadUsage("in_a_row: it and a correlation are two ways to say how losses cling together; give one")
    length = _number("in_a_row", in_a_row)
    if length < 1 or chance == 1:
        raise BadUsage("in_a_row: must be a mean number of packets, at least 1, with a share below 100%")
    # Gilbert's model: `leave` ends a burst of this mean length, `enter` makes the share come true.
    leave = 1 / length
    enter = chance * leave / (1 - chance)
    if enter > 1:
        raise BadUsage(f"in_a_row: a share of {share} needs more packets in a row than {length:g}")
    return Impairment(
        f"{told} in bursts of {length:g}", f"loss gemodel {_percent(enter)} {_percent(leave)} 100% 0%", "dropped"
    )


def some_words(kind: str, *, share: str, correlation: str) -> Impairment:
    """Send some packets twice (`duplicate`), or with one bit changed (`corrupt`).

    The kernel does not count them, so as many must pass that surely one was hit.

    Raises:
        BadUsage: an argument makes no sense.
    """
    chance, related = _chance("share", share), _chance("correlation", correlation, or_none=True)
    words = f"{kind} {_percent(chance)}" + (f" {_percent(related)}" if related else "")
    return Impairment(f"{kind} {format_share(chance)}", words, "passed", surely_one(chance))


def reorder_words(*, share: str, correlation: str, latency: str, gap: int) -> Impairment:
    """Let some packets overtake the others, which are held for `latency`.

    Raises:
        BadUsage: an argument makes no sense.
    """
    latency_s = seconds_up_to("latency", latency, most_s=LONGEST_S, hint="it is what the others wait")
    chance, related = _chance("share", share), _chance("correlation", correlation, or_none=True)
    every = _number("gap", gap)
    if every != int(every) or not 0 <= every <= 1000:
        raise BadUsage("gap: must be a number of packets up to 1000; with 5, every fifth one may overtake")
    if chance == 1 and every < 2:
        raise BadUsage("share: when all packets overtake, none does; name a smaller share, or a gap of 2 or more")
    words = f"delay {_us(latency_s)} reorder {_percent(chance)}" + (f" {_percent(related)}" if related else "")
    words += f" gap {int(every)}" if every else ""
    enough = surely_one(chance) * max(int(every), 1)
    return Impairment(f"reorder {format_share(chance)}", words, "passed", enough, longest_s=latency_s)


def limit_of(impairment: Impairment) -> int:
    """Return how many packets netem may hold: enough for what arrives meanwhile, or delay would become loss."""
    return min(max(_FEWEST_HELD, math.ceil(impairment.longest_s * _HELD_A_SECOND)), _MOST_HELD)


def surely_one(chance: float) -> int:
    """Return after how many packets one that has this chance was almost surely among them."""
    return 1 if chance >= 1 else math.ceil(math.log(_CERTAINTY) / math.log1p(-chance))


def _chances(name: str, given: str, most: int) -> list[float]:
    words = [word.strip() for word in given.split(",")]
    if len(words) > most:
        raise BadUsage(f"{name}: has {len(words)} shares, and may have {most} at most: 1%, 10%, ...")
    chances = [_chance(name, word, or_none=True) for word in words]
    if not chances[0]:
        raise BadUsage(f"{name}: the first share must be above 0%, or nothing is ever lost")
    return chances


def _chance(name: str, given: str, *, or_none: bool = False) -> float:
    chance = share(name, given) if or_none else share_above_zero(name, given)
    if 0 < chance < 1e-6:
        raise BadUsage(f"{name}: {given} is less than one packet in a million")
    return chance


def _number(name: str, given: object) -> float:
    try:
        number = float(str(given))
    except ValueError as error:
        raise BadUsage(f"{name}: {given!r} is no number") from error
    if not math.isfinite(number):
        raise BadUsage(f"{name}: {given!r} is no number")
    return number


def _percent(chance: float) -> str:
    return f"{chance * 100:.6f}".rstrip("0").rstrip(".") + "%"


def _us(time_s: float) -> str:
    return f"{max(round(time_s * 1e6), 1)}us"
