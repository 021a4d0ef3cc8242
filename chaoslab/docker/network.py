"""Faults of a container's network: a port blocked, packets late or slow, in its own network namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.docker import blocking
from chaoslab.docker.client import GUARD, SDK, talking
from chaoslab.docker.place import claims_in, every, packets_at, packets_of, places_of, selected, way_in
from chaoslab.docker.target import (
    Container,
    attrs_now,
    containers_of,
    data_of,
    describe,
    identity,
    must_run,
    runs_still,
)
from chaoslab.network.firewall import BLOCK, pinned_block
from chaoslab.network.matching import Texts
from chaoslab.network.namespace import Place
from chaoslab.network.shaping import SHAPE, pinned_delay
from chaoslab.network.shaping_pin import pinned as pinned_shape
from chaoslab.network.shaping_rate import rate_of
from chaoslab.runtime.arguments import one_of, time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned

_UNDO_S = 60.0
DIRECTIONS = ("out", "in", "both")
MANNERS = ("drop", "reject")


def _block(data: Data) -> None:
    if data["way"] == "host":
        for standing in data["faults"]:
            BLOCK.inject(standing)
        return
    with talking(data["docker"]) as client:
        for wanted, standing in zip(containers_of(data), data["faults"], strict=True):
            must_run(client, wanted)
            blocking.put_up(client, wanted, standing, ttl_s=data["ttl_s"])


def _is_met(data: Data) -> bool:
    if data["way"] == "host":
        return every(BLOCK.effective, data)
    with talking(data["docker"]) as client:
        pairs = list(zip(containers_of(data), data["faults"], strict=True))
        return all(
            runs_still(attrs_now(client, wanted), wanted) and blocking.packets_met(client, wanted, standing) > 0
            for wanted, standing in pairs
        )


def _unblock(data: Data) -> None:
    """Take the rules away; a container that ended or was started anew took them with its namespace."""
    if data["way"] == "host":
        for standing in data["faults"]:
            BLOCK.undo(standing)
        return
    with talking(data["docker"]) as client:
        for wanted, standing in zip(containers_of(data), data["faults"], strict=True):
            attrs = attrs_now(client, wanted)
            if not runs_still(attrs, wanted):
                continue
            if attrs["State"]["Paused"]:
                raise Refused(GUARD, f"{wanted.text} is paused: nothing can be done in it before it goes on")
            blocking.take_down(client, wanted, standing)


WALL = Fault(inject=_block, effective=_is_met, undo=_unblock, undo_deadline_s=_UNDO_S, loads=SDK)


@WALL.action
def block_port(
    container: str = "",
    port: Texts = 5432,
    *,
    protocol: str = "tcp",
    direction: str = "out",
    how: str = "drop",
    peers: Texts = "",
    way: str = "",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Block packets to a port in a container's own network, as a firewall does: open connections are cut too.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        port: `5432`, several with commas, ranges as `8000-8010`: the port that packets are sent *to*
        protocol, direction, how, peers: as for `chaoslab.network.firewall.block_port`
        way: `host` (through its pid) or `exec` (nft or iptables inside); without it the host's where that is possible
        labels, compose, which, docker: which containers, and whose, as for `chaoslab.docker.actions.pause`
        ttl: how long the fault may stand without the runner's word, at most 24h; the place itself keeps it

    Blast radius: the chosen containers, and those that share their network, as the others of a pod do.
    Undo: our table or chain is deleted, with all that is ours; a container started anew has lost it already.
    Effective when: the rules have met real packets. A port that nobody uses proves nothing.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such container, several where one was meant, one that shares this host's network, no way in, it
            stands already, the container in which the run or the daemon lives, or a daemon that does not answer.
    """
    ttl_s, packets = time_to_live(ttl), packets_of(protocol, port, peers)
    manner: Any = {"direction": one_of("direction", direction, DIRECTIONS), "how": one_of("how", how, MANNERS)}
    address, chosen = selected(container, labels=labels, compose=compose, which=which, docker=docker)
    by_host = partial(pinned_block, port=port, protocol=protocol, peers=peers, ttl=ttl, **manner)
    way, faults, claims = _walls(
        address, chosen, way, by_host, partial(blocking.pinned_inside, packets=packets, **manner)
    )
    data = data_of(address, chosen) | {"way": way, "faults": faults, "ttl_s": ttl_s}
    return Pinned(f"{how} {packets} {direction} in {describe(chosen)}", data, ttl_s, claims)


def _walls(
    address: str,
    chosen: Sequence[Any],
    way: str,
    block: Callable[[Place], Pinned],
    inside_of: Callable[[Any, Container], Any],
) -> tuple[str, list[Any], tuple[str, ...]]:
    """Return the way into the containers, what stands in each, as JSON, and what that claims."""
    found = [identity(attrs) for attrs in chosen]
    way, pinned = way_in(way, lambda: [block(place) for place in places_of(found)])
    if way == "host":
        return way, [dict(one.data) for one in pinned], claims_in(pinned)
    with talking(address) as client:
        faults = [inside_of(client, one) for one in found]
    return way, faults, tuple(f"rules {fault['tag']}" for fault in faults)


def _shape(data: Data) -> None:
    for standing in data["faults"]:
        SHAPE.inject(standing)


def _is_shaped(data: Data) -> bool:
    return every(SHAPE.effective, data)


def _unshape(data: Data) -> None:
    for standing in data["faults"]:
        SHAPE.undo(standing)


LINE = Fault(
    inject=_shape,
    effective=_is_shaped,
    undo=_unshape,
    effective_within_s=SHAPE.effective_within_s,
    undo_deadline_s=_UNDO_S,
    loads=SDK,
)


@LINE.action
def delay(
    container: str = "",
    latency: str = "200ms",
    *,
    jitter: str = "0s",
    correlation: str = "0%",
    distribution: str = "",
    interface: str = "eth0",
    peers: Texts = "",
    ports: Texts = "",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Delay packets that leave a container, as distance or a congested line does.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        latency: how much later each packet leaves, at most 10s
        jitter, correlation, distribution: as for `chaoslab.network.shaping.delay`
        interface: of the container
        peers: only packets to these addresses and networks
        ports: only packets to or from these ports
        labels, compose, which, docker: which containers, and whose, as for `chaoslab.docker.actions.pause`
        ttl: how long the fault may stand without the runner's word

    Blast radius: the chosen containers, and those that share their network, as the others of a pod do.
    Undo: our root queue is removed by its handle; a container started anew has lost it already.
    Effective when: the kernel has counted real packets at our own queue.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such container, several where one was meant, one of another machine's daemon or with this host's
            network, no such interface, somebody configured its queue, we may not, or no daemon answers.
        Missing: no `tc`, or a kernel without netem.
    """
    address, chosen = selected(container, labels=labels, compose=compose, which=which, docker=docker)
    packets = packets_at(peers, ports)
    late = {"latency": latency, "jitter": jitter, "correlation": correlation, "distribution": distribution}
    places = places_of([identity(attrs) for attrs in chosen])
    pinned = [pinned_delay(place, interface, ttl=ttl, **late, **packets) for place in places]
    return _shaped(address, chosen, pinned, f"packets {latency} late")


@LINE.action
def limit_rate(
    container: str = "",
    rate: str = "64KiB",
    *,
    burst: str = "",
    queue: str = "400ms",
    interface: str = "eth0",
    peers: Texts = "",
    ports: Texts = "",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Let packets leave a container no faster than a rate, as a saturated line does; this needs no netem.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        rate: size per second, such as `64KiB`
        burst: size that may pass at once after a silence; a twentieth of a second's worth when nothing is said
        queue: how long a packet may wait before further ones are lost
        interface: of the container
        peers: only packets to these addresses and networks
        ports: only packets to or from these ports
        labels, compose, which, docker: which containers, and whose, as for `chaoslab.docker.actions.pause`
        ttl: how long the fault may stand without the runner's word

    Blast radius: the chosen containers, and those that share their network, as the others of a pod do.
    Undo: our root queue is removed by its handle; a container started anew has lost it already.
    Effective when: the kernel has counted that real packets had to wait.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: as for `delay`.
        Missing: no `tc`.
    """
    address, chosen = selected(container, labels=labels, compose=compose, which=which, docker=docker)
    shape, packets = rate_of(rate=rate, burst=burst, queue=queue), packets_at(peers, ports)
    places = places_of([identity(attrs) for attrs in chosen])
    pinned = [pinned_shape(place, interface, shape, ttl=ttl, **packets) for place in places]
    return _shaped(address, chosen, pinned, shape.told)


def _shaped(address: str, chosen: Sequence[Any], pinned: Sequence[Pinned], told: str) -> Pinned:
    data = data_of(address, chosen) | {"faults": [dict(one.data) for one in pinned]}
    return Pinned(f"{told} in {describe(chosen)}", data, pinned[0].ttl_s, claims_in(pinned))
