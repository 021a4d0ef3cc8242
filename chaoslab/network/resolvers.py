"""Which DNS servers the programs of a place ask."""

import ipaddress
import re
from pathlib import Path

from chaoslab.core.errors import Refused
from chaoslab.network.matching import Addresses
from chaoslab.network.namespace import Place

GUARD = "resolver"


def resolvers_of(place: Place, given: Addresses) -> list[str]:
    """Return the addresses of the servers: those that are given, or those of the place's own resolv.conf.

    Raises:
        Refused: none is given, and none is named there.
    """
    if given.networks:
        return [str(address) for network in given.networks for address in network]
    file = _resolv_conf(place)
    try:
        text = file.read_text(errors="replace")
    except OSError as error:
        raise Refused(GUARD, f"cannot read {file}: {error.strerror}; name the DNS server with resolver") from error
    found = [
        str(address) for word in re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE) for address in _read(word)
    ]
    if not found:
        raise Refused(GUARD, f"{file} names no DNS server; name one with resolver")
    return sorted(set(found))


def _resolv_conf(place: Place) -> Path:
    """Return the file that programs there read: a container's own, or what `ip netns exec` shows them."""
    plain = Path("/etc/resolv.conf")
    if match := re.fullmatch(r"/proc/(\d+)/ns/net", place.path):
        return Path(f"/proc/{match[1]}/root{plain}")
    if place.path.startswith("/run/netns/"):
        own = Path("/etc/netns") / Path(place.path).name / "resolv.conf"
        return own if own.is_file() else plain
    return plain


def _read(word: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the address, unless it is one of a single link, which no rule can name."""
    try:
        return [ipaddress.ip_address(word)]
    except ValueError:
        return []
