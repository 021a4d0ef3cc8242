"""Ports that are blocked, and addresses that are parted: by rules of our own in any network namespace."""

import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.network import control_path, legacy, nft
from chaoslab.network.legacy_rules import Rule, block_rules, partition_rules
from chaoslab.network.matching import PROTOCOLS, Addresses, Ports, Texts, addresses, ports
from chaoslab.network.namespace import Place, place_of
from chaoslab.network.rules import HERE, Packets, block_chains, partition_chains
from chaoslab.runtime.arguments import one_of, time_to_live, yes
from chaoslab.runtime.fault import Data, Fault, Pinned

_CGROUPS = Path("/sys/fs/cgroup")


def _put_up(data: Data) -> None:
    place = Place.of(data["place"])
    if "legacy" in data:
        legacy.put(place, data["legacy"])
    else:
        nft.load(place, data["ruleset"])


def _has_met_packets(data: Data) -> bool:
    """Say whether the rules have met real packets; where nobody sends any, nothing is blocked."""
    place = Place.of(data["place"])
    if "legacy" in data:
        return legacy.packets(place, data["legacy"]) > 0
    return nft.packets(place, data["table"]) > 0


def _take_down(data: Data) -> None:
    place = Place.of(data["place"])
    if "legacy" in data:
        legacy.take_away(place, data["legacy"])
    else:
        nft.delete(place, data["table"])


BLOCK = Fault(inject=_put_up, effective=_has_met_packets, undo=_take_down)
"""Rules of our own in a table of our own: for `block_port`, `partition`, and whoever pins a place of another kind."""


@BLOCK.action
def block_port(
    port: Texts,
    *,
    protocol: str = "tcp",
    direction: str = "out",
    how: str = "drop",
    peers: Texts = "",
    user: str = "",
    cgroup: str = "",
    netns: str = "",
    pid: int = 0,
    ttl: str = "60s",
) -> Pinned:
    """Block packets to a port, as a firewall does: open connections are cut too.

    Args:
        port: `5432`, several with commas, ranges as `8000-8010`: the port that packets are sent *to*
        protocol: `tcp`, `udp` or `both`
        direction: `out` (to servers elsewhere, and on loopback), `in` (to servers here), or `both`
        how: `drop` (silence; the sender is told nothing) or `reject` (refused at once: RST, or ICMP for UDP)
        peers: only to and from these addresses and networks
        user: only what programs of this user send, a name or a number; for `out`
        cgroup: only what programs in this cgroup (version 2) send or are sent, a path as `system.slice/web.service`
        netns: in this network namespace, by its name
        pid: in the network namespace of this process; without both, on this host
        ttl: how long the fault may stand without the runner's word; with nftables the kernel itself keeps it

    Blast radius: every program in that one namespace that uses the port, unless narrowed by peers, user or cgroup.
    Undo: our table (with iptables: our chains) is deleted, and with it all that is ours; the rules of others were never
        touched.
    Effective when: the rules have met real packets. A port that nobody uses proves nothing.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such place, no right to change it, neither nftables nor iptables-legacy, it stands already, or it
            would cut what holds the run itself: its SSH session, the API it steers by, nearly all of loopback.
    """
    place = place_of(netns=netns, pid=pid)
    whose = {"user": user, "cgroup": cgroup}
    return pinned_block(place, port, protocol=protocol, direction=direction, how=how, peers=peers, ttl=ttl, **whose)


def pinned_block(
    place: Place,
    port: Texts,
    *,
    protocol: str = "tcp",
    direction: str = "out",
    how: str = "drop",
    peers: Texts = "",
    user: str = "",
    cgroup: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Pin a block in a place that is pinned already; the arguments are those of `block_port`.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: neither nftables nor iptables-legacy there, it stands already, or it would cut what holds the run.
    """
    packets = Packets(
        protocols=PROTOCOLS[one_of("protocol", protocol, PROTOCOLS)],
        ports=ports("port", port),
        peers=addresses("peers", peers),
        uid=_uid(user),
        cgroup=_cgroup(cgroup),
    )
    one_of("direction", direction, ("out", "in", "both"))
    if user and direction != "out":
        raise BadUsage("user: only what is sent has a sender here; give direction: out")
    chains = block_chains(packets, direction, one_of("how", how, ("drop", "reject")))
    if place.is_own():
        control_path.refuse_block(direction, packets.ports, packets.peers)
    return _pinned(place, f"{how} {packets} {direction}", chains, lambda: block_rules(packets, direction, how), ttl=ttl)


@BLOCK.action
def partition(
    left: Texts,
    right: Texts,
    *,
    one_way: str | bool = "no",
    ports: Texts = "",
    protocol: str = "both",
    netns: str = "",
    pid: int = 0,
    ttl: str = "60s",
) -> Pinned:
    """Part two sets of addresses: no packet gets from one to the other, in silence, as when a line is cut.

    Args:
        left: addresses and networks of one side, or `here` for the place itself
        right: addresses and networks of the other side
        one_way: `yes`: only what goes from left to right is lost
        ports: only packets to or from these ports; without, all packets of any protocol
        protocol: with ports: `tcp`, `udp` or `both`
        netns: in this network namespace, by its name
        pid: in the network namespace of this process; without both, on this host
        ttl: how long the fault may stand without the runner's word; with nftables the kernel itself keeps it

    Blast radius: all that the two sides say to each other through this one namespace, sent here or passing through.
    Undo: our table (with iptables: our chains) is deleted, and with it all that is ours; the rules of others were never
        touched.
    Effective when: the rules have met real packets. Frames that a bridge passes on do not come by here.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such place, no right to change it, neither nftables nor iptables-legacy, it stands already, or it
            would cut what holds the run itself: its SSH session, the API it steers by, nearly all of loopback.
    """
    place = place_of(netns=netns, pid=pid)
    return pinned_partition(place, left, right, one_way=one_way, ports=ports, protocol=protocol, ttl=ttl)


def pinned_partition(
    place: Place,
    left: Texts,
    right: Texts,
    *,
    one_way: str | bool = "no",
    ports: Texts = "",
    protocol: str = "both",
    ttl: str = "60s",
) -> Pinned:
    """Pin a partition in a place that is pinned already; the arguments are those of `partition`.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: neither nftables nor iptables-legacy there, it stands already, or it would cut what holds the run.
    """
    one, other = _side("left", left), _side("right", right)
    only = _ports(ports)
    protocols = PROTOCOLS[one_of("protocol", protocol, PROTOCOLS)]
    if not one.networks and not other.networks:
        raise BadUsage("right: both sides are `here`; name the addresses of the other side")
    if one.overlaps(other) and not only.ranges:
        raise BadUsage("right: some addresses are on both sides; name the ports that are meant")
    single = yes("one_way", one_way)
    if place.is_own():
        control_path.refuse_partition(one, other, only)
    told = f"{str(one) or HERE} {'->' if single else '<->'} {str(other) or HERE}"
    told += f" {'/'.join(protocols)} port {only}" if only.ranges else ""
    way: dict[str, Any] = {"protocols": protocols, "one_way": single}
    chains = partition_chains(one, other, only, **way)
    return _pinned(place, f"part {told}", chains, lambda: partition_rules(one, other, only, **way), ttl=ttl)


def _pinned(place: Place, told: str, chains: list[str], rules: Callable[[], list[Rule]], *, ttl: str) -> Pinned:
    ttl_s = time_to_live(ttl)
    name = nft.table_name(place, chains)
    ruleset = nft.table(name, [text.replace("TABLE_MARK", _mark(name)) for text in chains], ttl_s=ttl_s)
    data: dict[str, Any] = {"place": place.data(), "table": name}
    try:
        nft.refuse_unless_free(place, name, told, ruleset=ruleset)
        data["ruleset"] = ruleset
    except nft.Unusable as unusable:
        if not legacy.families():
            raise
        tag = name[-8:]
        if legacy.stands(place, tag):
            raise Refused(
                legacy.GUARD, f"{told} stands already in {place.name}; wait for its end, or run `chaoslab undo`"
            ) from unusable
        data["legacy"] = legacy.pinned(rules(), tag)
        told += " by iptables"
    return Pinned(f"{told} in {place.name}", data, ttl_s, claims=(nft.claim(name),))


def _mark(name: str) -> str:
    """Return a packet mark of the table's own: nobody else's packets are to carry it."""
    return f"0x{name[-8:]}"


def _ports(value: Texts) -> Ports:
    return ports("ports", value, needed=False)


def _side(name: str, value: Texts) -> Addresses:
    """Return a side of a partition; no networks stand for `here`."""
    if value == HERE or value == [HERE]:
        return Addresses()
    return addresses(name, value, needed=True)


def _uid(user: str | int) -> int | None:
    """Return the number of a user.

    Raises:
        Refused: there is no such user.
    """
    text = str(user)
    if not text:
        return None
    try:
        return int(text) if text.isascii() and text.isdigit() else pwd.getpwnam(text).pw_uid
    except KeyError as error:
        raise Refused("user", f"there is no user {text}") from error


def _cgroup(path: str) -> tuple[str, int]:
    """Return a cgroup of version 2 as nft wants it: its path below /sys/fs/cgroup, and its depth in its own tree.

    Raises:
        Refused: there is no such cgroup.
    """
    words = path.strip("/")
    if not path:
        return "", 0
    if {".", ".."} & set(words.split("/")):
        raise Refused("cgroup", f"{path} is no path of a cgroup: that would be everybody, or outside")
    for root in (_CGROUPS, _CGROUPS / "unified"):  # alone, or beside those of version 1
        if words and (root / "cgroup.controllers").is_file() and (root / words / "cgroup.procs").is_file():
            return str((root / words).relative_to(_CGROUPS)), words.count("/") + 1
    raise Refused("cgroup", f"there is no cgroup {path} of version 2 below {_CGROUPS}")
