"""The rules of a block and of a partition as iptables' own, for hosts without nftables. Pure."""

from collections.abc import Iterator

from chaoslab.core.errors import BadUsage
from chaoslab.network.matching import Addresses, Network, Ports
from chaoslab.network.rules import Packets

type Rule = tuple[int, str, str]
"""The IP version (4 or 6), the hook (`OUTPUT`, `INPUT`, `FORWARD`), and what is matched and done."""
_MOST = 512
_FAMILIES = (4, 6)


def block_rules(packets: Packets, direction: str, how: str) -> list[Rule]:
    """Return the rules that block packets; arguments as of `rules.block_chains`.

    Raises:
        BadUsage: they cannot be told to iptables.
    """
    if packets.cgroup[0]:
        raise BadUsage("cgroup: this needs nftables, and here is only iptables-legacy")
    ways = [way for way in (("out", "OUTPUT", "-d"), ("in", "INPUT", "-s")) if direction in (way[0], "both")]
    owner = f" -m owner --uid-owner {packets.uid}" if packets.uid is not None else ""
    return _few(
        (version, hook, f"-p {protocol} --dport {first}:{last}{peer}{owner} -j {_target(how, protocol)}")
        for _, hook, side in ways
        for protocol in packets.protocols
        for first, last in packets.ports.ranges
        for version, peer in _ends(packets.peers, side)
    )


def partition_rules(
    left: Addresses, right: Addresses, ports: Ports, *, protocols: tuple[str, ...], one_way: bool
) -> list[Rule]:
    """Return the rules that part two sides; arguments and meaning as of `rules.partition_chains`.

    Raises:
        BadUsage: they are too many.
    """
    ways = [(left, right)] if one_way else [(left, right), (right, left)]
    rules = []
    for sender, receiver in ways:
        hooks = ["OUTPUT"] if receiver.networks else []
        hooks += ["INPUT"] if sender.networks else []
        hooks += ["FORWARD"] if sender.networks and receiver.networks else []
        rules += [
            (version, hook, f"{port}{source}{destination} -j DROP".strip())
            for hook in hooks
            for version, source in _ends(sender, "-s")
            for other, destination in _ends(receiver, "-d")
            for port in _ports(ports, protocols)
            if version == other
        ]
    return _few(rules)


def _few(rules: Iterator[Rule] | list[Rule]) -> list[Rule]:
    found = list(dict.fromkeys(rules))
    if len(found) > _MOST:
        raise BadUsage(
            f"ports, peers: together they need {len(found)} rules of iptables; name fewer, or install nftables"
        )
    return found


def _ends(selection: Addresses, side: str) -> Iterator[tuple[int, str]]:
    """Yield the IP version and the match of each network; none stands for every address."""
    networks: tuple[Network, ...] = selection.networks
    if not networks:
        yield from ((version, "") for version in _FAMILIES)
    for network in networks:
        yield network.version, f" {side} {network}"


def _ports(ports: Ports, protocols: tuple[str, ...]) -> Iterator[str]:
    if not ports.ranges:
        yield ""
    for protocol in protocols:
        for first, last in ports.ranges:
            for end in ("--dport", "--sport"):
                yield f"-p {protocol} {end} {first}:{last}"


def _target(how: str, protocol: str) -> str:
    if how == "drop":
        return "DROP"
    return "REJECT --reject-with tcp-reset" if protocol == "tcp" else "REJECT"
