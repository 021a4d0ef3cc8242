"""What the HTTP proxy does to the requests that a rule means, as plain data, and which rules stand at this moment."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from chaoslab.runtime.proxytoxics import Standing, kind_of, number, parameters_of, time_of

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
    kind, ttl_s = kind_of(rest, KINDS), time_of(rest)
    route, method, share = rest.pop("route", ""), rest.pop("method", ""), number("share", rest.pop("share", 1.0))
    if not isinstance(route, str) or not route.startswith("/"):
        raise ValueError("route must be a path such as /appointments/{id}, or /* for all")
    if not isinstance(method, str):
        raise ValueError("method must be GET, POST ..., or '' for all")
    if not 0 < share <= 1:
        raise ValueError("share must be above 0 and at most 1")
    parameters = parameters_of(kind, rest, KINDS[kind], besides=SELECTION)
    if kind == "fail" and parameters["status"] not in range(STATUS_LOWEST, STATUS_HIGHEST + 1):
        raise ValueError(f"status must be one from {STATUS_LOWEST} to {STATUS_HIGHEST}")
    return Rule(name, kind, route, method.upper(), share, parameters, ttl_s)


def pattern_of(route: str) -> re.Pattern[str]:
    """Return what the path of a request must match as a whole."""
    fixed, star, _ = route.partition("*") if route.endswith("*") else (route, "", "")
    parts = re.split(r"(\{[^/{}]*\})", fixed)
    text = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile(text + (".*" if star else ""))


class Rules(Standing[Rule]):
    """All rules of one proxy of HTTP."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self._chance = random.Random()  # noqa: S311 - who is hit, not a secret

    def chosen(self, method: str, target: str) -> list[Rule]:
        """Return the rules that hit this request: those that mean it, each with the chance of its share."""
        return [
            rule
            for rule in self
            if rule.means(method, target) and (rule.share >= 1 or self._chance.random() < rule.share)
        ]

    async def hold(self, rule: Rule) -> None:
        """Hold a request as long as a rule says, and not longer than it stands."""
        loop = asyncio.get_running_loop()
        jitter_s = rule.parameters["jitter_s"] * self._chance.uniform(-1.0, 1.0)
        begun_at = loop.time()
        due = begun_at + max(0.0, rule.parameters["delay_s"] + jitter_s)
        try:
            while (wait_s := due - loop.time()) > 0 and self.stands(rule):
                await self.pause(wait_s)
        finally:  # also when the client has given up
            self.meet(rule, held_s=loop.time() - begun_at)
