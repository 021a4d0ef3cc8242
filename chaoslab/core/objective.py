"""What an exercise must reach: one number, its bound, and who measures it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

from chaoslab.core.errors import BadUsage
from chaoslab.core.suggest import hint_for
from chaoslab.core.units import format_duration, format_share, parse_duration, parse_share

Bound = Literal["at_most", "at_least"]
Unit = Literal["s", "share"]
When = Literal["before", "during", "after"]


class Measure(NamedTuple):
    """Something that an objective can be set for."""

    name: str
    bound: Bound
    unit: Unit
    by_prober: bool
    """Whether the samples of a prober measure it; the others are measured from the run's marks and figures."""
    meaning: str


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("rto", "at_most", "s", False, "time from the disaster until the recovered data is verified"),
        Measure("rpo", "at_most", "s", False, "age of the newest data that the recovery lost"),
        Measure("detection", "at_most", "s", False, "time from the fault until it is detected"),
        Measure(
            "recovery",
            "at_most",
            "s",
            True,
            "time from the end of the fault until the service answers well again, and keeps doing so",
        ),
        Measure("availability", "at_least", "share", True, "share of good samples"),
        Measure("latency_p50", "at_most", "s", True, "latency that 50% of the samples stay within"),
        Measure("latency_p90", "at_most", "s", True, "latency that 90% of the samples stay within"),
        Measure("latency_p95", "at_most", "s", True, "latency that 95% of the samples stay within"),
        Measure("latency_p99", "at_most", "s", True, "latency that 99% of the samples stay within"),
    )
}
"""Every objective that a catalog file may name."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise to be held against what was measured."""

    name: str
    """rto, rpo, recovery, detection, availability, or latency_pN: a key of MEASURES."""
    bound: Bound
    target: float
    """In the unit: seconds, or a share from 0 to 1."""
    unit: Unit
    of: str | None = None
    """The prober whose samples answer it; None where there is just one, or where none is needed."""
    when: When | None = None
    """Only samples of this phase answer it; None: all from the fault on."""

    @property
    def text(self) -> str:
        """Write the objective for people: `rto at most 2h 00m`, `availability of api at least 95%`."""
        target = format_share(self.target) if self.unit == "share" else format_duration(self.target)
        whose = f" of {self.of}" if self.of else ""
        when = f" {self.when} the fault" if self.when else ""
        return f"{self.name}{whose}{when} {self.bound.replace('_', ' ')} {target}"

    def to_json(self) -> dict[str, Any]:
        """Return the objective as JSON data."""
        data = asdict(self)
        return data if self.when else {name: value for name, value in data.items() if name != "when"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Objective:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: the data is no objective.
        """
        try:
            objective = cls(**{**data, "target": float(data["target"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{data!r} is not an objective") from error
        if objective.bound not in ("at_most", "at_least") or objective.unit not in ("s", "share"):
            raise ValueError(f"{data!r} is not an objective")
        if objective.when not in (None, "before", "during", "after"):
            raise ValueError(f"{data!r} is not an objective")
        return objective


def with_targets(objectives: Sequence[Objective], pairs: Sequence[str]) -> tuple[Objective, ...]:
    """Return a file's objectives with what somebody promises instead of, or besides, what the file says.

    Args:
        objectives: the file's own
        pairs: `rpo=26h`, `availability=99%`

    Raises:
        BadUsage: a pair names no objective, or no duration or share.
    """
    found = {objective.name: objective for objective in objectives}
    for pair in pairs:
        name, _, text = pair.partition("=")
        measure = MEASURES.get(name.strip())
        if measure is None:
            raise BadUsage(f"--objective: '{name}' is no objective; {hint_for(name, MEASURES)}".rstrip("; "))
        if measure.name not in found and measure.by_prober:
            raise BadUsage(
                f"--objective: the file has no {measure.name}, so nothing says which prober would measure it"
            )
        try:
            target = parse_share(text) if measure.unit == "share" else parse_duration(text)
        except ValueError as wrong:
            raise BadUsage(f"--objective {measure.name}: {wrong}") from None
        before = found.get(measure.name, Objective(measure.name, measure.bound, target, measure.unit))
        found[measure.name] = replace(before, target=target)
    return tuple(found[name] for name in MEASURES if name in found)
