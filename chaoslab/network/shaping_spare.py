"""The connections by which the run itself is held are not shaped: the first filters lead them past our class."""

import ipaddress
from collections.abc import Iterator

from chaoslab.core.errors import Refused
from chaoslab.network.control_path import GUARD, Lifeline, lifelines
from chaoslab.network.namespace import Place
from chaoslab.network.shaping_traffic import SIDES, Traffic, match_of_connection


def spared(place: Place, traffic: Traffic) -> list[tuple[str, str]]:
    """Return the matches of what this host sends (or is sent) over its own lifelines; elsewhere there are none.

    Raises:
        Refused: the ports that are chosen are those of a server that the run is steered by.
    """
    found: dict[tuple[str, str], None] = {}
    for line in lifelines() if place.is_own() else []:
        if not line.own_port and _is_chosen(line, traffic):
            raise Refused(GUARD, f"that would hit {line.what}; leave its port out, or name peers without it")
        found |= dict.fromkeys(_matches(line, arriving=traffic.arriving))
    return list(found)


def _is_chosen(line: Lifeline, traffic: Traffic) -> bool:
    by_port = bool(traffic.ports.ranges) and line.peer_port in traffic.ports and "dport" in SIDES[traffic.side]
    return by_port and "tcp" in traffic.protocols and (not line.peer or line.peer in traffic.peers)


def _matches(line: Lifeline, *, arriving: bool) -> Iterator[tuple[str, str]]:
    known = [ipaddress.ip_address(text) for text in (line.peer, line.own) if text]
    for family in {address.version for address in known} or {4, 6}:
        ends = {"ours": line.own, "our_port": line.own_port, "peer": line.peer, "port": line.peer_port}
        yield match_of_connection(family, **ends, arriving=arriving)  # type: ignore[arg-type]
