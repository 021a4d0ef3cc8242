"""The toxics of a proxy of ours, whatever they do: read from data, standing until their time is over, and counted."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

type Known = Mapping[str, Mapping[str, float | None]]
"""Each kind with its parameters and their defaults; None means: must be given."""


class Toxic(Protocol):
    """One thing that a proxy does to the traffic."""

    @property
    def name(self) -> str:
        """By which it is removed."""
        ...

    @property
    def ttl_s(self) -> float | None:
        """Seconds after which the proxy itself removes it."""
        ...

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data, in the form in which it was given."""
        ...


@dataclass(slots=True)
class Met:
    """What a toxic has really done to traffic: one that nobody's traffic met has proved nothing."""

    times: int = 0
    """How often it has held, delayed, slowed, answered or ended something."""
    longest_s: float = 0.0
    """The longest time that it held something which then went on, as measured."""


class Standing[T: Toxic]:
    """All toxics of one proxy, by name. Every change wakes all who wait, so that a heal is felt at once."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Take what is to be called after each change."""
        self._toxics: dict[str, T] = {}
        self._met: dict[str, Met] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._on_change = on_change
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[T]:
        """Yield those that stand, the oldest first."""
        return iter(self._toxics.values())

    def stands(self, toxic: T) -> bool:
        """Say whether this very toxic stands, and no other one of its name."""
        return self._toxics.get(toxic.name) is toxic

    def state(self) -> dict[str, Any]:
        """Return what stands and what it has done, by name, for people and for probes."""
        return {
            "toxics": {name: toxic.as_data() for name, toxic in self._toxics.items()},
            "met": {name: asdict(met) for name, met in self._met.items()},
        }

    def put(self, toxic: T) -> dict[str, Any]:
        """Add a toxic, or replace the one of this name, and return it as it was understood; its time begins now."""
        self._forget(toxic.name)
        self._toxics[toxic.name] = toxic
        self._met[toxic.name] = Met()
        if toxic.ttl_s is not None:
            # The loop's clock is monotonic: setting the wall clock back does not prolong a fault.
            loop = asyncio.get_running_loop()
            self._expiries[toxic.name] = loop.call_later(toxic.ttl_s, self.remove, toxic.name)
        self._announce()
        return toxic.as_data()

    def remove(self, name: str) -> bool:
        """Remove a toxic and return whether it stood."""
        stood = self._forget(name)
        if stood:
            self._announce()
        return stood

    def meet(self, toxic: T, *, held_s: float = 0.0) -> None:
        """Count that a toxic has hit something, and held it so long."""
        met = self._met.get(toxic.name)
        if met is not None:
            met.times += 1
            met.longest_s = max(met.longest_s, held_s)

    async def pause(self, longest_s: float) -> None:
        """Wait for this long or for a change, whatever comes first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(longest_s) else longest_s):
                await self._changed.wait()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        self._on_change()

    def _forget(self, name: str) -> bool:
        expiry = self._expiries.pop(name, None)
        if expiry is not None:
            expiry.cancel()
        self._met.pop(name, None)
        return self._toxics.pop(name, None) is not None


def kind_of(given: dict[str, Any], known: Known) -> str:
    """Take the kind out of the data of a toxic.

    Raises:
        ValueError: there is no such kind; says which there are.
    """
    kind = given.pop("kind", None)
    if kind not in known:
        raise ValueError(f"unknown kind {kind!r}: one of {', '.join(known)}")
    return str(kind)


def time_of(given: dict[str, Any]) -> float | None:
    """Take the time-to-live out of the data of a toxic, in seconds; None when it has none.

    Raises:
        ValueError: it is no number of 0 or more.
    """
    ttl_s = given.pop("ttl_s", None)
    return None if ttl_s is None else number("ttl_s", ttl_s)


def parameters_of(
    kind: str, given: Mapping[str, Any], known: Mapping[str, float | None], *, besides: Sequence[str] = ()
) -> dict[str, float]:
    """Return the parameters of a kind, with its defaults.

    Args:
        kind: of the toxic
        given: what the data hold besides what was taken out of them
        known: the parameters with their defaults; None means: must be given
        besides: what it also takes, for the message

    Raises:
        ValueError: one is unknown, missing or no number of 0 or more; says what would be right.
    """
    strange = sorted(set(given) - set(known))
    if strange:
        raise ValueError(f"{kind} has no parameter {strange[0]!r}: it takes {', '.join((*known, *besides)) or 'none'}")
    absent = [key for key, default in known.items() if default is None and key not in given]
    if absent:
        raise ValueError(f"{kind} needs {', '.join(absent)}")
    return {key: number(key, given.get(key, default)) for key, default in known.items()}


def number(key: str, value: Any) -> float:
    """Return a number of 0 or more.

    Raises:
        ValueError: it is none; names the key.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{key} must be a number of 0 or more, not {value!r}")
    return float(value)
