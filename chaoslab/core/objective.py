"""An objective: what a figure has to be for an exercise to pass."""

from dataclasses import dataclass
from typing import Literal

Bound = Literal["at_most", "at_least"]
Unit = Literal["s", "share"]


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise to be held against what was measured."""

    name: str
    """rto, rpo, recovery, detection, availability, or latency_pN."""
    bound: Bound
    target: float
    unit: Unit
    of: str | None = None
    """The prober whose samples answer it; None where there is just one, or where none is needed."""
