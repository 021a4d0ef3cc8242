"""The toxics that stand at this moment, and how the proxy's connections wait for them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator

from chaoslab.network.lots import Lots
from chaoslab.network.toxics import QUANTUM_S, Direction, Toxic, delay_s, rate
from chaoslab.runtime.proxytoxics import Standing


class Conditions(Standing[Toxic]):
    """The toxics of a proxy of TCP, and what they mean for one piece of the traffic."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        """Take what is to be called after each change."""
        super().__init__(on_change)
        self._free_at: dict[Direction, float] = {"upstream": 0.0, "downstream": 0.0}

    def hitting(self, lots: Lots) -> Iterator[Toxic]:
        """Yield those that hit one connection, by its lots."""
        return (toxic for toxic in self if lots.hit(toxic))

    def meet_kind(self, kind: str, lots: Lots, *, direction: Direction | None = None, held_s: float = 0.0) -> None:
        """Count that the toxics of a kind have hit a piece or a connection, `held_s` seconds long."""
        for toxic in self.hitting(lots):
            if toxic.kind == kind and (direction is None or direction in toxic.directions):
                self.meet(toxic, held_s=held_s)

    def has(self, kind: str, lots: Lots | None = None) -> bool:
        """Return whether a toxic of this kind stands, and hits the connection that has these lots."""
        return any(toxic.kind == kind and (lots is None or lots.hit(toxic)) for toxic in self)

    async def passage(self, direction: Direction, arrived_at: float, chance: float, lots: Lots) -> None:
        """Wait until a piece that arrived at this instant may go on, as the toxics say from moment to moment."""
        loop = asyncio.get_running_loop()
        delayed = False
        try:
            while (wait_s := arrived_at + delay_s(self.hitting(lots), direction, chance) - loop.time()) > 0:
                delayed = math.isfinite(wait_s)
                if not delayed:
                    self.meet_kind("blackhole", lots)
                await self.pause(wait_s)
        finally:  # also when whoever sent or awaits the piece has given up
            if delayed:
                self.meet_kind("latency", lots, direction=direction, held_s=loop.time() - arrived_at)

    async def share(self, direction: Direction, wanted: int, lots: Lots) -> int:
        """Wait for a share of the throttled line and return how many bytes may go now.

        Args:
            direction: where they are going
            wanted: bytes at hand
            lots: of the connection
        """
        limit = rate(self.hitting(lots), direction)
        if math.isinf(limit):
            return wanted
        loop = asyncio.get_running_loop()
        granted = min(wanted, max(1, int(limit * QUANTUM_S)))
        self._free_at[direction] = max(loop.time(), self._free_at[direction]) + granted / limit
        begun_at, due = loop.time(), self._free_at[direction]
        while (wait_s := due - loop.time()) > 0 and rate(self.hitting(lots), direction) == limit:
            await self.pause(wait_s)
        self.meet_kind("throttle", lots, direction=direction, held_s=loop.time() - begun_at)
        return granted

    def _announce(self) -> None:
        self._free_at = {"upstream": 0.0, "downstream": 0.0}
        super()._announce()
