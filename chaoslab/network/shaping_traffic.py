"""Which packets a shaping fault means, and the u32 filters that pick them out. Pure: nothing is asked, nothing touched.

The peer is where packets that *leave* an interface go, and where those that *arrive* come from. A port is the peer's
(`destination`) when the service is the client, and the service's own (`source`) when it is the server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from chaoslab.core.errors import BadUsage
from chaoslab.network.matching import PROTOCOLS, Addresses, Ports, Texts, addresses
from chaoslab.network.matching import ports as _ports
from chaoslab.runtime.arguments import one_of

SIDES = {"destination": ("dport",), "source": ("sport",), "either": ("dport", "sport")}
_NUMBERS = {"tcp": 6, "udp": 17}
_LAST_PORT = 65535
_MOST_FILTERS = 512
# A u32 filter looks at fixed offsets: with options in the header, or in a later fragment, other bytes stand there.
_IPV4_PORTS_IN_PLACE = "match u8 0x05 0x0f at 0 match u16 0x0000 0x1fff at 6"


@dataclass(frozen=True, slots=True)
class Traffic:
    """A selection of packets; without peers and ports it is all that leaves the interface."""

    peers: Addresses
    ports: Ports
    protocols: tuple[str, ...]
    """Empty means any."""
    side: str
    arriving: bool = False
    """Whether packets are meant that come in; otherwise those that go out."""

    @property
    def is_everything(self) -> bool:
        """Whether the whole interface is meant."""
        return not self.peers.networks and not self.ports.ranges

    def __str__(self) -> str:
        """Return the selection for people: `tcp port 5432 (destination) to 10.0.0.0/8`."""
        if self.is_everything:
            return "everything"
        names = "/".join(self.protocols)
        told = f"{names} port {self.ports} ({self.side})" if self.ports.ranges else names or "everything"
        way = "from" if self.arriving else "to"
        return f"{told} {way} {self.peers}" if self.peers.networks else told


def traffic_of(*, peers: Texts, ports: Texts, protocol: str, side: str, direction: str = "out") -> Traffic:
    """Read which packets are meant.

    Args:
        peers: addresses or networks of the other side, `10.0.0.0/8, fd00::7`
        ports: ports and ranges, `5432, 8000-8010`
        protocol: `tcp`, `udp` or `both`; empty means tcp with ports, and any protocol without
        side: whose ports: `destination` (the peer's), `source` (ours), or `either`
        direction: `out`, what leaves, or `in`, what arrives

    Raises:
        BadUsage: one of them makes no sense; it is named.
    """
    arriving = one_of("direction", direction, ("out", "in")) == "in"
    wanted, numbers = addresses("peers", peers), _ports("ports", ports, needed=False)
    for name, given, read in (("peers", peers, wanted.networks), ("ports", ports, numbers.ranges)):
        if given not in ("", None, []) and not read:  # what names nothing must not come to mean everything
            raise BadUsage(f"{name}: {given!r} names nothing")
    if protocol and not wanted.networks and not numbers.ranges:
        raise BadUsage("protocol: give ports or peers with it")
    chosen = one_of("protocol", protocol, PROTOCOLS) if protocol else "tcp"
    protocols = PROTOCOLS[chosen] if protocol or numbers.ranges else ()
    traffic = Traffic(wanted, numbers, protocols, one_of("side", side, SIDES), arriving)
    if len(matches_of(traffic)) > _MOST_FILTERS:
        raise BadUsage(f"ports, peers: together they need more than {_MOST_FILTERS} filters; name fewer, or wider ones")
    return traffic


def matches_of(traffic: Traffic) -> list[tuple[str, str]]:
    """Return one (`ip` or `ipv6`, u32 match) for each filter that the selection needs; none for everything."""
    if traffic.is_everything:
        return []
    families: set[int] = {peer.version for peer in traffic.peers.networks} or {4, 6}
    return [found for family in sorted(families) for found in _matches_of_family(traffic, family)]


def match_of_connection(
    family: int, *, ours: str, our_port: int, peer: str, port: int, arriving: bool = False
) -> tuple[str, str]:
    """Return the match of what we send, or are sent, on one TCP connection; an end that is empty or 0 may be any."""
    word, in_place = _dialect(family)
    near, far = ("dst", "src") if arriving else ("src", "dst")
    from_us, to_them = ("dport", "sport") if arriving else ("sport", "dport")
    parts = [
        f"match {word} protocol {_NUMBERS['tcp']} 0xff",
        *(f"match {word} {end} {address}" for end, address in ((near, ours), (far, peer)) if address),
        *(f"match {word} {end} {number} 0xffff" for end, number in ((from_us, our_port), (to_them, port)) if number),
    ]
    return _protocol_word(family), in_place + " ".join(parts)


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
    far, turned = ("src", {"dport": "sport", "sport": "dport"}) if traffic.arriving else ("dst", {})
    peers = [f"match {word} {far} {peer}" for peer in traffic.peers.networks if peer.version == family] or [""]
    protocols = [f"match {word} protocol {_NUMBERS[name]} 0xff" for name in traffic.protocols] or [""]
    blocks = [block for first, last in traffic.ports.ranges for block in masks_of(first, last)]
    sides = [turned.get(end, end) for end in SIDES[traffic.side]]
    ends = [f"match {word} {end} {value} {mask:#06x}" for end in sides for value, mask in blocks] or [""]
    for parts in product(protocols, peers, ends):
        told = " ".join(part for part in parts if part)
        yield _protocol_word(family), (in_place if traffic.ports.ranges else "") + told


def _dialect(family: int) -> tuple[str, str]:
    return ("ip", f"{_IPV4_PORTS_IN_PLACE} ") if family == 4 else ("ip6", "")


def _protocol_word(family: int) -> str:
    return "ip" if family == 4 else "ipv6"
