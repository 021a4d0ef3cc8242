"""Choose TCP ports on loopback for servers that live on after their clients went away."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from chaoslab.postgres.programs.commands import PostgresFailed

EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10240
FALLBACK_HIGHEST = 32767
ATTEMPTS = 200


def free_port() -> int:
    """Return a free port on 127.0.0.1 outside the range from which the kernel gives ports to clients.

    A client that keeps trying a dead server whose port lies inside that range is sooner or later given this
    very port as its own, connects to itself, and keeps the server from coming back.

    Raises:
        PostgresFailed: no port was free in many attempts.
    """
    choices = _choices()
    for _ in range(ATTEMPTS):
        port = random.choice(choices)  # noqa: S311 - nothing secret about a port
        if is_free(port):
            return port
    raise PostgresFailed(f"no free TCP port found on 127.0.0.1 in {ATTEMPTS} attempts")


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a server does it: connections of a predecessor in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _choices() -> range:
    """Return the larger of the two ranges below and above the ephemeral one."""
    try:
        low, high = (int(word) for word in EPHEMERAL_RANGE.read_text().split())
    except (OSError, ValueError):
        return range(LOWEST, FALLBACK_HIGHEST + 1)
    below, above = range(LOWEST, low), range(high + 1, 65536)
    return max(below, above, key=len) or range(LOWEST, 65536)
