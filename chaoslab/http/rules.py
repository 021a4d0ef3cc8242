"""What the HTTP proxy does to the requests that a rule means, as plain data, and which rules stand at this moment."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

KINDS: dict[str, dict[str, float | None]] = {
    "fail": {"status": None},
    "delay": {"delay_s": None, "jitter_s": 0.0},
    "abort": {},
}
"""Each kind with its parameters and their defaults; None means: must be given.

fail   the request is answered with a status, and never reaches the server
delay  the request goes to the server later, by delay_s plus or minus up to jitter_s
abort  the connection ends with RST, and the request never reaches the server
"""
SELECTION = ("method", "route", "share")
STATUS_LOWEST, STATUS_HIGHEST = 400, 599


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that goes wrong with some requests, for as long as it stands."""

    name: str
    kind: str
    route: str
    """A pattern of the path: `{id}` stands for one part of it, a `*` at the end for whatever follows."""
    method: str = ""
    """'' means every method."""
    share: float = 1.0
    parameters: Mapping[str, float] = field(default_factory=dict)
    ttl_s: float | None = None
    """The proxy itself removes it after this many seconds, whatever became of the one who added it."""

    def means(self, method: str, target: str) -> bool:
        """Say whether a request is one of those that the rule is about; what follows a `?` does not matter."""
        path = urlsplit(target).path or "/"
        return self.method in {"", method} and pattern_of(self.route).fullmatch(path) is not None

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data, in the form that `parse` takes."""
        data = {"kind": self.kind, "method": self.method, "route": self.route, "share": self.share, **self.parameters}
        return data if self.ttl_s is None else {**data, "ttl_s": self.ttl_s}


def parse(name: str, data: Mapping[str, Any]) -> Rule:
    """Read a rule from data such as `{"kind": "fail", "route": "/x/{id}", "share": 0.5, "status": 503}`.

    Raises:
        ValueError: an unknown kind or parameter, or a value out of range; says what would be right.
    """
    rest = dict(data)
    kind = rest.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: one of {', '.join(KINDS)}")
    ttl_s = rest.pop("ttl_s", None)
    route, method, share = rest.pop("route", ""), rest.pop("method", ""), _number("share", rest.pop("share", 1.0))
    if not isinstance(route, str) or not route.startswith("/"):
        raise ValueError("route must be a path such as /appointments/{id}, or /* for all")
    if not isinstance(method, str):
        raise ValueError("method must be GET, POST ..., or '' for all")
    if not 0 < share <= 1:
        raise ValueError("share must be above 0 and at most 1")
    known = KINDS[kind]
    strange = sorted(set(rest) - set(known))
    if strange:
        raise ValueError(f"{kind} has no parameter {strange[0]!r}: it takes {', '.join((*known, *SELECTION))}")
    absent = [key for key, default in known.items() if default is None and key not in rest]
    if absent:
        raise ValueError(f"{kind} needs {', '.join(absent)}")
    parameters = {key: _number(key, rest.get(key, default)) for key, default in known.items()}
    if kind == "fail" and parameters["status"] not in range(STATUS_LOWEST, STATUS_HIGHEST + 1):
        raise ValueError(f"status must be one from {STATUS_LOWEST} to {STATUS_HIGHEST}")
    ttl = None if ttl_s is None else _number("ttl_s", ttl_s)
    return Rule(name, kind, route, method.upper(), share, parameters, ttl)


def pattern_of(route: str) -> re.Pattern[str]:
    """Return what the path of a request must match as a whole."""
    fixed, star, _ = route.partition("*") if route.endswith("*") else (route, "", "")
    parts = re.split(r"(\{[^/{}]*\})", fixed)
    text = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile(text + (".*" if star else ""))


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{key} must be a number of 0 or more, not {value!r}")
    return float(value)


@dataclass(slots=True)
class Met:
    """What a rule has really done: one that no request met has proved nothing."""

    times: int = 0
    """How many requests it has hit."""
    longest_s: float = 0.0
    """The longest time that it held one, as measured."""


class Rules:
    """All rules of one proxy. Every change wakes all who wait, so that a heal is felt at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._rules: dict[str, Rule] = {}
        self._met: dict[str, Met] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._chance = random.Random()  # noqa: S311 - who is hit, not a secret
        self._changed = asyncio.Event()

    @property
    def standing(self) -> dict[str, Rule]:
        """The rules that stand, by name."""
        return dict(self._rules)

    @property
    def met(self) -> dict[str, Met]:
        """What each rule that stands has done, by its name."""
        return dict(self._met)

    def put(self, rule: Rule) -> None:
        """Add a rule, or replace the one of this name; its time-to-live begins now."""
        self._forget(rule.name)
        self._rules[rule.name] = rule
        self._met[rule.name] = Met()
        if rule.ttl_s is not None:
            # The loop's clock is monotonic: setting the wall clock back does not prolong a fault.
            self._expiries[rule.name] = asyncio.get_running_loop().call_later(rule.ttl_s, self.remove, rule.name)

    def remove(self, name: str) -> bool:
        """Remove a rule and return whether it stood."""
        stood = self._forget(name)
        if stood:
            self._changed.set()
            self._changed = asyncio.Event()
        return stood

    def chosen(self, method: str, target: str) -> list[Rule]:
        """Return the rules that hit this request: those that mean it, each with the chance of its share."""
        return [
            rule
            for rule in self._rules.values()
            if rule.means(method, target) and (rule.share >= 1 or self._chance.random() < rule.share)
        ]

    def meet(self, rule: Rule, *, held_s: float = 0.0) -> None:
        """Count that a rule has hit a request, and held it so long."""
        met = self._met.get(rule.name)
        if met is not None:
            met.times += 1
            met.longest_s = max(met.longest_s, held_s)

    async def hold(self, rule: Rule) -> None:
        """Hold a request as long as a rule says, and not longer than it stands."""
        loop = asyncio.get_running_loop()
        jitter_s = rule.parameters["jitter_s"] * self._chance.uniform(-1.0, 1.0)
        begun_at = loop.time()
        due = begun_at + max(0.0, rule.parameters["delay_s"] + jitter_s)
        try:
            while (wait_s := due - loop.time()) > 0 and self._rules.get(rule.name) is rule:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
        finally:  # also when the client has given up
            self.meet(rule, held_s=loop.time() - begun_at)

    def _forget(self, name: str) -> bool:
        expiry = self._expiries.pop(name, None)
        if expiry is not None:
            expiry.cancel()
        self._met.pop(name, None)
        return self._rules.pop(name, None) is not None
