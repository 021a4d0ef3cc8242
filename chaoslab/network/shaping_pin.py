"""Pin a shaping fault: find the interface, read which packets are meant, and refuse what must be refused."""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.network.kernel import require_netem
from chaoslab.network.looks import GUARD, interface_of
from chaoslab.network.namespace import Place, place_of
from chaoslab.network.programs import find
from chaoslab.network.shaping_netem import Impairment, limit_of
from chaoslab.network.shaping_rate import Rate
from chaoslab.network.shaping_traffic import Traffic, traffic_of
from chaoslab.network.shaping_tree import plan_of
from chaoslab.runtime.arguments import time_to_live, yes
from chaoslab.runtime.fault import Pinned


class Which(TypedDict, total=False):
    """Which of the packets that leave the interface, or arrive at it."""

    direction: str
    """`out` (default): packets that leave; `in`: packets that arrive."""
    peers: str | list[str]
    """Addresses or networks that they go to, or come from, v4 and v6: `10.0.0.0/8, fd00::7`."""
    ports: str | int | list[int | str]
    """Ports and ranges: `5432, 8000-8010`."""
    protocol: str
    """`tcp`, `udp` or `both`; tcp when ports are given and nothing else is said."""
    side: str
    """Whose ports: `destination` (the peer's), `source` (of the interface's own side) or `either` (default)."""
    whole_interface: str | bool
    """`yes` shapes all packets; on the host's own interfaces it must be said."""


class Where(Which, total=False):
    """Which packets, and whose interface it is."""

    netns: str
    """Name of a network namespace, instead of the host's own."""
    pid: int
    """A process whose network namespace is meant, such as a container's."""


def pinned_here(interface: str, shape: Impairment | Rate, ttl: str, where: Mapping[str, Any]) -> Pinned:
    """Pin a fault of an action, whose `where` came from a file.

    Raises:
        BadUsage: an argument makes no sense, or there is none of that name.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without netem, or without ifb where that is needed.
    """
    unknown = sorted(set(where) - Where.__annotations__.keys())
    if unknown:
        raise BadUsage(f"{unknown[0]}: there is no such argument; there are {', '.join(Where.__annotations__)}")
    which: Any = {name: value for name, value in where.items() if name not in {"netns", "pid"}}
    place = place_of(netns=where.get("netns", ""), pid=_pid(where.get("pid", 0)))
    return pinned(place, interface, shape, ttl=ttl, **which)


def pinned(place: Place, interface: str, shape: Impairment | Rate, *, ttl: str, **which: Unpack[Which]) -> Pinned:
    """Pin a shaping fault on an interface of a place: everything is looked at, nothing is touched.

    Args:
        place: where the interface is
        interface: its name
        shape: what happens to the packets
        ttl: how long the fault may stand without the runner's word
        which: the packets; without peers and ports all of them, which on the host must be said

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without netem, or without ifb where that is needed.
    """
    ttl_s = time_to_live(ttl)
    traffic = traffic_of(
        peers=which.get("peers", ""),
        ports=which.get("ports", ""),
        protocol=which.get("protocol", ""),
        side=which.get("side", "either"),
        direction=which.get("direction", "out"),
    )
    _refuse_unsaid(place, interface, traffic, said=yes("whole_interface", which.get("whole_interface", "no")))
    find("tc")
    if isinstance(shape, Impairment):
        require_netem()
    found = interface_of(place, interface)
    if isinstance(shape, Impairment):
        words, leaf, held_s = "", f"netem limit {limit_of(shape)} {shape.words}", shape.longest_s
    else:
        words, leaf, held_s = shape.class_words, shape.leaf_words(found.mtu), shape.queue_s
    data = plan_of(place, found, traffic, shape=words, leaf=leaf, held_s=held_s)
    way = "arriving at" if traffic.arriving else "leaving"
    told = f"{shape.told}: {traffic} {way} {interface} of {place.name}"
    whole = {**data, "counter": shape.counter, "at_least": shape.at_least}
    claims = (f"packets {way} interface {found.index} in {place.boot} {place.inode} {place.cookie}",)
    return Pinned(told, whole, ttl_s, claims)


def _refuse_unsaid(place: Place, interface: str, traffic: Traffic, *, said: bool) -> None:
    """Refuse to shape all of a host's interface unless somebody said so.

    Raises:
        BadUsage: both are said, the whole and a part.
        Refused: nothing is said.
    """
    if said and not traffic.is_everything:
        raise BadUsage("whole_interface: says everything, while peers or ports choose; leave one out")
    if traffic.is_everything and not said and place.is_own():
        told = f"neither peers nor ports are given, and all of {interface} would be hit; name them"
        raise Refused(GUARD, f"{told}, or say whole_interface: yes")


def _pid(value: object) -> int:
    text = str(value).strip() or "0"
    if not (text.isascii() and text.isdigit()):
        raise BadUsage(f"pid: {value!r} is no process")
    return int(text)
