"""The network namespaces of containers, and which way into them there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.docker.client import GUARD, talking
from chaoslab.docker.target import Container, describe, is_here, select
from chaoslab.network.matching import PROTOCOLS, Texts, addresses, ports
from chaoslab.network.namespace import Place, place_of
from chaoslab.network.rules import Packets
from chaoslab.network.shaping_pin import Which
from chaoslab.runtime.arguments import one_of
from chaoslab.runtime.fault import Data, Pinned

_OF_ANOTHER = "container:"
_LINKS = 8
"""Containers that share each other's network stand in no longer a row."""


def selected(container: str, *, labels: str, compose: str, which: str, docker: str) -> tuple[str, list[Any]]:
    """Return the daemon's address and the chosen containers, each with a network of its own.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: none fits, too many do, or one uses its host's network.
    """
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    if shared := [attrs for attrs in chosen if _is_hosts(address, attrs)]:
        raise Refused(GUARD, f"{describe(shared)} uses its host's network: the fault would hit the whole host")
    return address, chosen


def _is_hosts(address: str, attrs: Any) -> bool:
    """Say whether a container has its host's network, of its own or through others whose network it shares."""
    with talking(address) as client:
        for _ in range(_LINKS):
            mode = str(attrs["HostConfig"]["NetworkMode"])
            if not mode.startswith(_OF_ANOTHER):
                return mode == "host"
            attrs = client.api.inspect_container(mode.removeprefix(_OF_ANOTHER))
    return True


def places_of(containers: Sequence[Container]) -> list[Place]:
    """Return the network namespaces of containers whose daemon is this machine's.

    Raises:
        Refused: it is not, or we may not enter.
    """
    for container in containers:
        if not is_here(container):
            told = f"{container.text} does not run on this machine: its network cannot be entered from here"
            raise Refused("net-admin", told)
    return [place_of(pid=container.pid) for container in containers]


def way_in[R](way: str, by_host: Callable[[], list[R]]) -> tuple[str, list[R]]:
    """Return the way into the containers, and what is pinned if it is the host's.

    Args:
        way: `host` or `exec`; without it the host's where that is possible
        by_host: pins on the host's way

    Raises:
        BadUsage: there is no such way.
        Refused: the host's way is asked for, and is not there; or the fault itself is refused.
    """
    if one_of("way", way, ("", "host", "exec")) == "exec":
        return "exec", []
    try:
        return "host", by_host()
    except Refused as refused:
        if way or refused.guard != "net-admin":
            raise
    return "exec", []


def packets_of(protocol: str, port: Texts, peers: Texts) -> Packets:
    """Return which packets are meant.

    Raises:
        BadUsage: an argument makes no sense.
    """
    protocols = PROTOCOLS[one_of("protocol", protocol, PROTOCOLS)]
    return Packets(protocols=protocols, ports=ports("port", port), peers=addresses("peers", peers))


def packets_at(peers: Texts, some_ports: Texts) -> Which:
    """Return which packets a shaped line is about, as `chaoslab.network.shaping` takes it."""
    found: Which = {}
    if peers:
        found["peers"] = _texts(peers)
    if some_ports:
        found["ports"] = _texts(some_ports)
    return found


def claims_in(pinned: Sequence[Pinned]) -> tuple[str, ...]:
    """Return what faults in several places claim together."""
    return tuple(claim for one in pinned for claim in one.claims)


def every(effective: Callable[[Data], bool] | None, data: Data) -> bool:
    """Say whether a fault bites in each of the containers."""
    assert effective is not None
    return all(effective(standing) for standing in data["faults"])


def _texts(value: Texts) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
