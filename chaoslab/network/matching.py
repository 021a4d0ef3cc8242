"""Which packets are meant: ports, addresses and protocols as people write them, merged and in order."""

import ipaddress
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaoslab.core.errors import BadUsage

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network
type Texts = str | int | Sequence[str | int]
PROTOCOLS = {"tcp": ("tcp",), "udp": ("udp",), "both": ("tcp", "udp")}
_HIGHEST_PORT = 65535
_MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class Ports:
    """Some ports, merged into ranges; none stands for all."""

    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, port: int) -> bool:
        """Say whether a port is meant."""
        return not self.ranges or any(first <= port <= last for first, last in self.ranges)

    @property
    def count(self) -> int:
        """How many ports that is."""
        return sum(last - first + 1 for first, last in self.ranges) if self.ranges else _HIGHEST_PORT

    def __str__(self) -> str:
        """Return them as people and nft write them: `5432, 8000-8010`."""
        return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Some networks, merged; none stands for every address."""

    networks: tuple[Network, ...] = ()

    def __contains__(self, address: str) -> bool:
        """Say whether an address is meant."""
        found = ipaddress.ip_address(address)
        return not self.networks or any(found in network for network in self.networks)

    def overlaps(self, other: "Addresses") -> bool:
        """Say whether an address is in both."""
        pairs = itertools.product(self.networks, other.networks)
        return any(one.version == two.version and one.overlaps(two) for one, two in pairs)

    def of(self, version: int) -> str:
        """Return those of one IP version as an nft set, or '' if there are none."""
        texts = [_text(network) for network in self.networks if network.version == version]
        return f"{{ {', '.join(texts)} }}" if texts else ""

    def __str__(self) -> str:
        """Return them as people write them."""
        return ", ".join(map(_text, self.networks))


def ports(name: str, value: Texts, *, needed: bool = True) -> Ports:
    """Return ports written as `5432`, `5432,6379` or `8000-8010`, or a list of these.

    Raises:
        BadUsage: none is given though one is needed, or one is no port; names the argument.
    """
    ranges = sorted(_range(name, word) for word in _chosen(name, value))
    if needed and not ranges:
        raise BadUsage(f"{name}: name at least one, as 5432 or 8000-8010")
    merged: list[tuple[int, int]] = []
    for first, last in ranges:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return Ports(tuple(merged))


def addresses(name: str, value: Texts, *, needed: bool = False) -> Addresses:
    """Return addresses and networks: `10.0.0.5`, `10.0.0.0/24`, `fd00::1`, several with commas, or a list of these.

    Raises:
        BadUsage: none is given though one is needed, or one is none; names the argument.
    """
    found: dict[int, list[Network]] = {4: [], 6: []}
    for word in _chosen(name, value):
        network = _network(name, word)
        found[network.version].append(network)
    if needed and not any(found.values()):
        raise BadUsage(f"{name}: name at least one address or network")
    merged: Iterable[Network] = itertools.chain(
        ipaddress.collapse_addresses(found[4]),  # type: ignore[type-var]
        ipaddress.collapse_addresses(found[6]),  # type: ignore[type-var]
    )
    return Addresses(tuple(merged))


def _chosen(name: str, value: Texts) -> list[str]:
    """Return what is written; an empty list, as a step may find one, means nobody, and not everybody.

    Raises:
        BadUsage: it is such a list, or a text of blanks.
    """
    found = words(value)
    if not found and value != "":
        raise BadUsage(f"{name}: names none; leave it out where all are meant")
    return found


def words(value: Texts) -> list[str]:
    items = value if isinstance(value, list | tuple) else [value]
    return [word for item in items for word in re.split(r"[\s,]+", str(item)) if word]


def _range(name: str, word: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", word, re.ASCII)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= _HIGHEST_PORT:
        raise BadUsage(f"{name}: {word!r} is no port from 1 to {_HIGHEST_PORT}, and no range of such")
    return first, last


def _network(name: str, word: str) -> Network:
    """Return an address or a network; of IPv4 in the clothes of IPv6 that which is on the wire.

    Raises:
        BadUsage: it is neither, or only of one interface, which no rule of the kernel's can match.
    """
    told = f"{name}: {word!r} is no address and no network; write 10.0.0.5, 10.0.0.0/24 or fd00::1"
    if "%" in word:
        raise BadUsage(f"{told}, without an interface")
    try:
        network: Network = ipaddress.ip_network(word, strict=False)
    except ValueError as error:
        raise BadUsage(told) from error
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped and network.prefixlen >= _MAPPED_BITS:
        return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS), strict=False)
    return network


def _text(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
