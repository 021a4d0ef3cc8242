"""The fault behind all failures of DNS: rules that bring questions to a responder, and the responder.

The questions get a connection-tracking zone of their own. So a client that keeps one socket is hit too, although its
flow is known already, and is free again as soon as the rules are gone, although that flow was redirected.
"""

import importlib.util
from typing import Any

from chaoslab.core.errors import BadUsage, Missing, Refused
from chaoslab.network import control_path, nft, responders
from chaoslab.network.dns_names import ALL, Names
from chaoslab.network.dns_names import names as names_of
from chaoslab.network.matching import Ports, Texts, addresses
from chaoslab.network.matching import ports as ports_of
from chaoslab.network.namespace import Place, run_in
from chaoslab.network.resolvers import resolvers_of
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned

GUARD = "dns"
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}
_FAMILY = {4: "ip", 6: "ip6"}
_QUESTIONS = "meta l4proto { tcp, udp }"
_BEFORE_TRACKING, _BEFORE_NAT = -301, -110


def _inject(data: Data) -> dict[str, Any]:
    """Start the responder, and only then bring it questions."""
    place = Place.of(data["place"])
    ports = responders.start(place, data["table"], data["order"])
    nft.load(place, _ruleset(data, ports))
    return {"ports": ports}


def _has_hit_questions(data: Data) -> bool:
    """Say whether real questions were hit, as the responder has counted them."""
    return responders.hits(data["order"]["status"]) > 0


def _undo(data: Data) -> None:
    """Let questions go where they went, and end the responder, also where the namespace is gone."""
    try:
        nft.delete(Place.of(data["place"]), data["table"])
    finally:
        responders.end(data["table"], data["order"]["status"])


DNS = Fault(inject=_inject, effective=_has_hit_questions, undo=_undo)


def pinned_dns(
    place: Place,
    kind: str,
    names: str | list[str],
    *,
    told: str = "",
    resolver: Texts = "",
    port: int = 53,
    ttl: str = "60s",
    **order: Any,
) -> Pinned:
    """Pin a failure of DNS in a place that is pinned already.

    Args:
        place: where
        kind: `no_answer`, `error`, `slow` or `wrong_address`
        names: for which names
        told: how the answer comes out, for people
        resolver: addresses of the DNS servers; without, those of the place's resolv.conf
        port: where they listen
        ttl: how long the fault may stand without the runner's word
        order: what the responder needs for this kind: `rcode`, `delay_s` or `addresses`

    Raises:
        BadUsage: an argument makes no sense.
        Missing: dnspython is not installed.
        Refused: no nftables there, no loopback, no DNS server known, it stands already, or the run needs the names.
    """
    ttl_s = time_to_live(ttl)
    wanted, at = names_of(names), _port(port)
    found = resolvers_of(place, addresses("resolver", resolver))
    _refuse_unless_possible(place, wanted)
    servers = [[address, at, 6 if ":" in address else 4] for address in found]
    name = nft.table_name(place, kind, wanted.patterns, servers, order)
    what = f"DNS {kind.replace('_', ' ')} {told}".strip() + f" for {', '.join(wanted.patterns)}"
    nft.refuse_unless_free(place, name, what)
    full = {"kind": kind, "names": list(wanted.patterns), "servers": servers, "mark": _number(name) | 1, "ttl_s": ttl_s}
    data = {
        "place": place.data(),
        "table": name,
        "order": {**full, **order, "status": str(responders.status_file(name).absolute())},
    }
    return Pinned(f"{what} at {', '.join(found)} in {place.name}", data, ttl_s, claims=(nft.claim(name),))


def _refuse_unless_possible(place: Place, wanted: Names) -> None:
    """See that the fault can stand there and does not cut the run itself; touch nothing.

    Raises:
        Missing: dnspython is not installed.
        Refused: another reason.
    """
    if importlib.util.find_spec("dns") is None:
        raise Missing("dnspython", "pip install 'chaoslab[dns]'")
    if place.is_own():
        if ALL in wanted.patterns:
            raise Refused(GUARD, "every name on this host would take those that the run itself needs; name the names")
        control_path.refuse_names(wanted.mean)
    if "LOOPBACK,UP" not in run_in(place, ["ip", "-o", "link", "show", "lo"]):
        raise Refused(GUARD, f"the loopback of {place.name} is down; `ip link set lo up` there first")


def _ruleset(data: Data, ports: list[int]) -> str:
    order, zone = data["order"], _number(data["table"]) % 65535 + 1
    ours = f"meta mark {order['mark']} return"  # what the responder passes on goes its way
    zones, redirects = [ours], [ours]
    for (address, at, version), port in zip(order["servers"], ports, strict=True):
        question = f"{_FAMILY[version]} daddr {address} {_QUESTIONS} th dport {at}"
        answer = f"{_FAMILY[version]} saddr {_LOOPBACK[version]} {_QUESTIONS} th sport {port}"
        zones += [f"{question} ct zone set {zone}", f"{answer} ct zone set {zone}"]
        redirects.append(f"{question} counter redirect to :{port}")
    chains = [
        nft.chain("zones", "output", zones, priority=_BEFORE_TRACKING),
        nft.chain("questions", "output", redirects, kind="nat", priority=_BEFORE_NAT),
    ]
    return nft.table(data["table"], chains, ttl_s=order["ttl_s"])


def _number(name: str) -> int:
    """Return a number of the table's own, for packet marks and zones; a socket takes a mark as a signed number."""
    return int(name[-8:], 16) & 0x7FFFFFFF


def _port(port: int) -> int:
    found: Ports = ports_of("port", port)
    if found.count != 1:
        raise BadUsage("port: give one port")
    return found.ranges[0][0]
