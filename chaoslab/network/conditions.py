"""The toxics that stand at this moment, and how the proxy's connections wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from chaoslab.network.toxics import QUANTUM_S, Direction, Toxic, delay_s, rate


@dataclass(slots=True)
class Met:
    """What a toxic has really done to traffic: one that nobody's traffic met has proved nothing."""

    times: int = 0
    """How often it has held a piece or a connection, delayed or slowed it to the end, or reset it."""
    longest_s: float = 0.0
    """The longest time that it delayed a piece, as measured; a blackhole and a reset have none."""


class Conditions:
    """All toxics of one proxy. Every change wakes all who wait, so that a heal is felt at once."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        """Take what is to be called after each change."""
        self._toxics: dict[str, Toxic] = {}
        self._met: dict[str, Met] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._free_at: dict[Direction, float] = {"upstream": 0.0, "downstream": 0.0}

    @property
    def toxics(self) -> dict[str, Toxic]:
        """The toxics that stand, by name."""
        return dict(self._toxics)

    @property
    def met(self) -> dict[str, Met]:
        """What each toxic that stands has done, by its name."""
        return dict(self._met)

    def meet(self, kind: str, *, direction: Direction | None = None, held_s: float = 0.0) -> None:
        """Count that the toxics of a kind have hit a piece or a connection, `held_s` seconds long."""
        for toxic in self._toxics.values():
            if toxic.kind == kind and (direction is None or direction in toxic.directions):
                met = self._met[toxic.name]
                met.times += 1
                met.longest_s = max(met.longest_s, held_s)

    def has(self, kind: str) -> bool:
        """Return whether a toxic of this kind stands."""
        return any(toxic.kind == kind for toxic in self._toxics.values())

    def put(self, toxic: Toxic) -> None:
        """Add a toxic, or replace the one of this name; its time-to-live begins now."""
        self._forget(toxic.name)
        self._toxics[toxic.name] = toxic
        self._met[toxic.name] = Met()
        if toxic.ttl_s is not None:
            # The loop's clock is monotonic: setting the wall clock back does not prolong a fault.
            loop = asyncio.get_running_loop()
            self._expiries[toxic.name] = loop.call_later(toxic.ttl_s, self.remove, toxic.name)
        self._announce()

    def remove(self, name: str) -> bool:
        """Remove a toxic and return whether it stood."""
        stood = self._forget(name)
        if stood:
            self._announce()
        return stood

    async def passage(self, direction: Direction, arrived_at: float, chance: float) -> None:
        """Wait until a piece that arrived at this instant may go on, as the toxics say from moment to moment."""
        loop = asyncio.get_running_loop()
        delayed = False
        try:
            while (wait_s := arrived_at + delay_s(self._toxics.values(), direction, chance) - loop.time()) > 0:
                delayed = math.isfinite(wait_s)
                if not delayed:
                    self.meet("blackhole")
                await self._pause(wait_s)
        finally:  # also when whoever sent or awaits the piece has given up
            if delayed:
                self.meet("latency", direction=direction, held_s=loop.time() - arrived_at)

    async def share(self, direction: Direction, wanted: int) -> int:
        """Wait for a share of the throttled line and return how many bytes may go now.

        Args:
            direction: where they are going
            wanted: bytes at hand
        """
        limit = rate(self._toxics.values(), direction)
        if math.isinf(limit):
            return wanted
        loop = asyncio.get_running_loop()
        granted = min(wanted, max(1, int(limit * QUANTUM_S)))
        self._free_at[direction] = max(loop.time(), self._free_at[direction]) + granted / limit
        begun_at, due = loop.time(), self._free_at[direction]
        while (wait_s := due - loop.time()) > 0 and rate(self._toxics.values(), direction) == limit:
            await self._pause(wait_s)
        self.meet("throttle", direction=direction, held_s=loop.time() - begun_at)
        return granted

    def _forget(self, name: str) -> bool:
        expiry = self._expiries.pop(name, None)
        if expiry is not None:
            expiry.cancel()
        self._met.pop(name, None)
        return self._toxics.pop(name, None) is not None

    def _announce(self) -> None:
        self._free_at = {"upstream": 0.0, "downstream": 0.0}
        self._changed.set()
        self._changed = asyncio.Event()
        self._on_change()

    async def _pause(self, longest_s: float) -> None:
        """Wait for this long or for a change, whatever comes first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(longest_s) else longest_s):
                await self._changed.wait()
