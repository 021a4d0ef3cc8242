"""Which packets a shaping fault means, and the u32 filters that pick them out. Pure: nothing is asked, nothing touched.

Packets are shaped as they *leave* an interface, so the peer is their destination. A port is the peer's (`destination`)
when the service is the client, and the service's own (`source`) when it is the server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import product

from chaoslab.core.errors import BadUsage

PROTOCOLS = {"tcp": (6,), "udp": (17,), "both": (6, 17)}
SIDES = {"destination": ("dport",), "source": ("sport",), "either": ("dport", "sport")}
_LAST_PORT = 65535
_MOST_FILTERS = 512
# A u32 filter looks at fixed offsets: with options in the header, or in a later fragment, other bytes stand there.
_IPV4_PORTS_IN_PLACE = "match u8 0x05 0x0f at 0 match u16 0x0000 0x1fff at 6"

type Peer = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Traffic:
    """A selection of packets; without peers and ports it is all that leaves the interface."""

    peers: tuple[Peer, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    """Ranges, first and last port."""
    protocols: tuple[int, ...] = ()
    """Numbers of IP protocols; empty means any."""
    side: str = "either"

    @property
    def is_everything(self) -> bool:
        """Whether the whole interface is meant."""
        return not self.peers and not self.ports

    def __str__(self) -> str:
        """Return the selection for people: `tcp port 5432 (destination) to 10.0.0.0/8`."""
        if self.is_everything:
            return "everything"
        names = "/".join(name for name in ("tcp", "udp") if PROTOCOLS[name][0] in self.protocols)
        ports = ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in self.ports)
        told = f"{names} port {ports} ({self.side})" if ports else names or "everything"
        return f"{told} to {', '.join(map(str, self.peers))}" if self.peers else told


def traffic_of(*, peers: str | list[str], ports: str | int | list[int | str], protocol: str, side: str) -> Traffic:
    """Read which packets are meant.

    Args:
        peers: addresses or networks of the other side, `10.0.0.0/8, fd00::7`
        ports: ports and ranges, `5432, 8000-8010`
        protocol: `tcp`, `udp` or `both`; empty means tcp with ports, and any protocol without
        side: whose ports: `destination` (the peer's), `source` (ours), or `either`

    Raises:
        BadUsage: one of them makes no sense; it is named.
    """
    if protocol and protocol not in PROTOCOLS:
        raise BadUsage(f"protocol: {protocol!r} is none of {', '.join(PROTOCOLS)}")
    if side not in SIDES:
        raise BadUsage(f"side: {side!r} is none of {', '.join(SIDES)}")
    wanted = tuple(dict.fromkeys(_peer(word) for word in _words("peers", peers)))
    ranges = tuple(dict.fromkeys(_range(word) for word in _words("ports", ports)))
    if protocol and not wanted and not ranges:
        raise BadUsage("protocol: give ports or peers with it")
    numbers = PROTOCOLS[protocol or "tcp"] if protocol or ranges else ()
    traffic = Traffic(wanted, ranges, numbers, side)
    if len(matches_of(traffic)) > _MOST_FILTERS:
        raise BadUsage(f"ports, peers: together they need more than {_MOST_FILTERS} filters; name fewer, or wider ones")
    return traffic


def matches_of(traffic: Traffic) -> list[tuple[str, str]]:
    """Return one (`ip` or `ipv6`, u32 match) for each filter that the selection needs; none for everything."""
    if traffic.is_everything:
        return []
    families: set[int] = {peer.version for peer in traffic.peers} or {4, 6}
    return [found for family in sorted(families) for found in _matches_of_family(traffic, family)]


def match_of_connection(*, protocol: int, source: Peer, source_port: int, peer: Peer, port: int) -> tuple[str, str]:
    """Return the match of what we send on one connection."""
    word, in_place = _dialect(peer.version)
    ends = f"match {word} src {source} match {word} dst {peer}"
    ports = f"match {word} sport {source_port} 0xffff match {word} dport {port} 0xffff"
    return _protocol_word(peer.version), f"{in_place}match {word} protocol {protocol} 0xff {ends} {ports}"


def masks_of(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Cut a range of ports into blocks that a value and a mask describe, the fewest there are."""
    while first <= last:
        size = first & -first or _LAST_PORT + 1
        while first + size - 1 > last:
            size //= 2
        yield first, _LAST_PORT + 1 - size
        first += size


def _matches_of_family(traffic: Traffic, family: int) -> Iterator[tuple[str, str]]:
    word, in_place = _dialect(family)
    peers = [f"match {word} dst {peer}" for peer in traffic.peers if peer.version == family] or [""]
    protocols = [f"match {word} protocol {number} 0xff" for number in traffic.protocols] or [""]
    blocks = [block for first, last in traffic.ports for block in masks_of(first, last)]
    ports = [f"match {word} {end} {value} {mask:#06x}" for end in SIDES[traffic.side] for value, mask in blocks] or [""]
    for parts in product(protocols, peers, ports):
        told = " ".join(part for part in parts if part)
        yield _protocol_word(family), (in_place if traffic.ports else "") + told


def _dialect(family: int) -> tuple[str, str]:
    return ("ip", f"{_IPV4_PORTS_IN_PLACE} ") if family == 4 else ("ip6", "")


def _protocol_word(family: int) -> str:
    return "ip" if family == 4 else "ipv6"


def _words(name: str, given: object) -> list[str]:
    """Read a list, or a text with commas; a list that holds nothing must not come to mean everything."""
    if given in ("", None, [], ()):
        return []
    items = given if isinstance(given, list | tuple) else str(given).split(",")
    words = [str(item).strip() for item in items]
    if not all(words):
        raise BadUsage(f"{name}: there is an empty one in {given!r}")
    return words


def _peer(word: str) -> Peer:
    try:
        return ip_network(word)
    except ValueError as error:
        raise BadUsage(f"peers: {error}; write an address (10.0.0.7, fd00::7) or a network (10.0.0.0/8)") from error


def _range(word: str) -> tuple[int, int]:
    first, dash, last = word.partition("-")
    numbers = (first.strip(), (last if dash else first).strip())
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise BadUsage(f"ports: {word!r} is no port; write 5432, or a range 8000-8010")
    low, high = int(numbers[0]), int(numbers[1])
    if not 0 < low <= high <= _LAST_PORT:
        raise BadUsage(f"ports: {word!r} is no port from 1 to {_LAST_PORT}, or no range from low to high")
    return low, high
