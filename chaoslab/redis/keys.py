"""Which keys are meant."""

from __future__ import annotations

from typing import Any

from chaoslab.runtime.clock import seeded

_PAGE = 1000


def matching(server: Any, pattern: str) -> int:
    """Count the keys that match a pattern, without keeping the server from its work."""
    return sum(1 for _ in server.scan_iter(match=pattern, count=_PAGE))


def chosen_keys(server: Any, pattern: str, share: float, seed: int) -> list[bytes]:
    """Return a share of the keys that match, at least one if there is any, chosen by the seed."""
    keys = sorted(set(server.scan_iter(match=pattern, count=_PAGE)))
    return seeded(seed).sample(keys, max(1, round(len(keys) * share))) if keys else []


def many(count: int) -> str:
    """Return how many there are as a plan can say it: a cache has not the same number twice."""
    if count < 10:
        return "a few (less than 10)"
    low = 10 ** (len(str(count)) - 1)
    return f"{low} to {10 * low - 1}"
