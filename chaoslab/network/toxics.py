"""What the proxy can do to the traffic, as plain data, and what all toxics together mean for one piece of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chaoslab.runtime.proxytoxics import kind_of, number, parameters_of, time_of

Direction = Literal["upstream", "downstream"]
DIRECTIONS: tuple[Direction, ...] = ("upstream", "downstream")
"""`upstream` runs from the client to the server, `downstream` back."""

PARAMETERS: dict[str, dict[str, float | None]] = {
    "latency": {"latency_s": None, "jitter_s": 0.0},
    "throttle": {"bytes_per_s": None},
    "blackhole": {},
    "reset": {},
    "refuse": {},
}
"""Each kind with its parameters and their defaults; None means: must be given.

latency    every piece arrives later by latency_s, plus or minus up to jitter_s; the order stays
throttle   all connections together carry at most bytes_per_s in each direction
blackhole  connections are accepted and stay open, nothing passes; what was sent arrives after the heal
reset      open connections, and new ones at once, end with RST
refuse     new connections are refused; open ones go on
"""
SHAPING = ("latency", "throttle")
QUANTUM_S = 0.05
"""A throttled stream flows in pieces of this long, not in bursts."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """One thing that is wrong with the network, for as long as it stands."""

    name: str
    kind: str
    parameters: Mapping[str, float]
    directions: tuple[Direction, ...] = DIRECTIONS
    ttl_s: float | None = None
    """The proxy itself removes it after this many seconds, whatever became of the one who added it."""
    share: float = 1.0
    """Of the connections, each by chance, above 0 and at most 1."""

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data, in the form that `parse` takes."""
        data: dict[str, Any] = {"kind": self.kind, **self.parameters}
        if self.kind in SHAPING:
            data["direction"] = self.directions[0] if len(self.directions) == 1 else "both"
        if self.share < 1.0:
            data["share"] = self.share
        if self.ttl_s is not None:
            data["ttl_s"] = self.ttl_s
        return data


def parse(name: str, data: Mapping[str, Any]) -> Toxic:
    """Read a toxic from data such as `{"kind": "latency", "latency_s": 0.2, "ttl_s": 60}`.

    Raises:
        ValueError: an unknown kind or parameter, or a value out of range; says what would be right.
    """
    rest = dict(data)
    kind = kind_of(rest, PARAMETERS)
    ttl_s, directions, share = time_of(rest), _directions(kind, rest), number("share", rest.pop("share", 1.0))
    parameters = parameters_of(kind, rest, PARAMETERS[kind])
    if parameters.get("bytes_per_s") == 0:
        raise ValueError("bytes_per_s must be above 0; to let nothing pass, use blackhole")
    if not 0 < share <= 1 or (share < 1 and kind == "refuse"):
        raise ValueError(
            "share must be above 0 and at most 1; refuse has none, for it hits no connection that is there"
        )
    return Toxic(name, kind, parameters, directions, ttl_s, share)


def _directions(kind: str, rest: dict[str, Any]) -> tuple[Direction, ...]:
    if kind not in SHAPING:
        return DIRECTIONS
    # Downstream alone by default: a round trip then grows by latency_s, once.
    wanted = rest.pop("direction", "downstream" if kind == "latency" else "both")
    if wanted == "both":
        return DIRECTIONS
    for direction in DIRECTIONS:
        if wanted == direction:
            return (direction,)
    raise ValueError(f"direction {wanted!r}: one of upstream, downstream, both")


def delay_s(toxics: Iterable[Toxic], direction: Direction, chance: float) -> float:
    """Return the seconds that a piece must wait after its arrival; infinite while nothing passes.

    Args:
        toxics: all that stand
        direction: where the piece is going
        chance: the piece's own number between -1 and 1, which places it within the jitter
    """
    total = 0.0
    for toxic in toxics:
        if toxic.kind == "blackhole":
            return math.inf
        if toxic.kind == "latency" and direction in toxic.directions:
            total += max(0.0, toxic.parameters["latency_s"] + chance * toxic.parameters["jitter_s"])
    return total


def rate(toxics: Iterable[Toxic], direction: Direction) -> float:
    """Return the bytes a second that may pass in this direction; infinite without a throttle."""
    limits = [
        toxic.parameters["bytes_per_s"]
        for toxic in toxics
        if toxic.kind == "throttle" and direction in toxic.directions
    ]
    return min(limits, default=math.inf)
