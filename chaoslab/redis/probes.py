"""Probes of a Redis server."""

from __future__ import annotations

from itertools import islice

from chaoslab.core.errors import BadUsage
from chaoslab.redis.server import client, look
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.steps import step


@step("verify")
def answers(url: str, timeout: str = "1s") -> bool:
    """Say whether a server answers in time.

    Args:
        url: the server, `redis://host:port`
        timeout: how long the answer may take

    Raises:
        BadUsage: an argument makes no sense.
        RedisFailed: it does not answer in time; one line.
    """
    with client(url, timeout_s=seconds("timeout", timeout)) as server:
        return bool(server.ping())


@step("verify")
def has_keys(url: str, pattern: str, at_least: int = 1) -> bool:
    """Say whether a server has keys that match a pattern, as many as were wanted.

    Args:
        url: the server and its database
        pattern: as for SCAN: `appointment:*`
        at_least: how many are enough

    Raises:
        BadUsage: an argument makes no sense.
        Refused: it does not answer.
    """
    if at_least < 1:
        raise BadUsage("at_least: must be 1 or more")
    look(url)
    with client(url) as server:
        found = sum(1 for _ in islice(server.scan_iter(match=pattern, count=1000), at_least))
    return found >= at_least
