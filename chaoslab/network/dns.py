"""Names that do not resolve, or resolve late, or wrongly: for chosen names, in any network namespace.

Questions to the DNS servers of the place are brought to a responder of ours, which breaks some and passes on the rest.
"""

from chaoslab.core.errors import BadUsage
from chaoslab.core.units import format_duration
from chaoslab.network.dns_fault import DNS, pinned_dns
from chaoslab.network.matching import Texts, addresses
from chaoslab.network.namespace import place_of
from chaoslab.runtime.arguments import one_of, seconds_up_to
from chaoslab.runtime.fault import Pinned

_RCODES = ("NXDOMAIN", "SERVFAIL", "REFUSED")
_LONGEST_DELAY_S = 30.0


@DNS.action
def no_answer(
    names: str | list[str], *, resolver: Texts = "", port: int = 53, netns: str = "", pid: int = 0, ttl: str = "60s"
) -> Pinned:
    """Leave questions for some names without any answer, as a DNS server that cannot be reached does.

    Args:
        names: `db.internal`, `*.internal` for all below, several with commas; `*` for every name
        resolver: addresses of the DNS servers; without, those of the place's resolv.conf
        port: where they listen
        netns: in this network namespace, by its name
        pid: in the network namespace of this process; without both, on this host
        ttl: how long the fault may stand without the runner's word; the kernel itself keeps it

    Blast radius: every program in that one namespace that asks these DNS servers for these names.
    Undo: our table is deleted and the responder ended; the next question gets the real answer.
    Effective when: the responder has left a real question without an answer. What sits in caches is not asked for.

    Raises:
        BadUsage: an argument makes no sense.
        Missing: dnspython is not installed.
        Refused: no such place, no right to change it, no nftables, it stands already, or the run needs the names.
    """
    place = place_of(netns=netns, pid=pid)
    return pinned_dns(place, "no_answer", names, resolver=resolver, port=port, ttl=ttl)


@DNS.action
def error(
    names: str | list[str],
    code: str = "NXDOMAIN",
    *,
    resolver: Texts = "",
    port: int = 53,
    netns: str = "",
    pid: int = 0,
    ttl: str = "60s",
) -> Pinned:
    """Answer questions for some names with an error: no such name, or a server that fails.

    Args:
        names: `db.internal`, `*.internal` for all below, several with commas; `*` for every name
        code: `NXDOMAIN` (there is no such name), `SERVFAIL` or `REFUSED`
        resolver: addresses of the DNS servers; without, those of the place's resolv.conf
        port: where they listen
        netns: in this network namespace, by its name
        pid: in the network namespace of this process; without both, on this host
        ttl: how long the fault may stand without the runner's word; the kernel itself keeps it

    Blast radius: every program in that one namespace that asks these DNS servers for these names.
    Undo: our table is deleted and the responder ended. The error says of no time that it may be kept.
    Effective when: the responder has answered a real question so. What sits in caches is not asked for.

    Raises:
        BadUsage: an argument makes no sense.
        Missing: dnspython is not installed.
        Refused: no such place, no right to change it, no nftables, it stands already, or the run needs the names.
    """
    place = place_of(netns=netns, pid=pid)
    rcode = one_of("code", code.upper(), _RCODES)
    return pinned_dns(place, "error", names, told=rcode, rcode=rcode, resolver=resolver, port=port, ttl=ttl)


@DNS.action
def slow(
    names: str | list[str],
    latency: str,
    *,
    resolver: Texts = "",
    port: int = 53,
    netns: str = "",
    pid: int = 0,
    ttl: str = "60s",
) -> Pinned:
    """Let questions for some names wait before they reach the real server.

    Args:
        names: `db.internal`, `*.internal` for all below, several with commas; `*` for every name
        latency: how much later the answer comes, at most 30s
        resolver: addresses of the DNS servers; without, those of the place's resolv.conf
        port: where they listen
        netns: in this network namespace, by its name
        pid: in the network namespace of this process; without both, on this host
        ttl: how long the fault may stand without the runner's word; the kernel itself keeps it

    Blast radius: every program in that one namespace that asks these DNS servers for these names.
    Undo: our table is deleted and the responder ended; a question that waits gets no answer, and is asked again.
    Effective when: the responder holds, or has held, a real question. What sits in caches is not asked for.

    Raises:
        BadUsage: an argument makes no sense.
        Missing: dnspython is not installed.
        Refused: no such place, no right to change it, no nftables, it stands already, or the run needs the names.
    """
    hint = "for no answer at all, use no_answer"
    delay_s = seconds_up_to("latency", latency, most_s=_LONGEST_DELAY_S, hint=hint)
    place = place_of(netns=netns, pid=pid)
    told = f"{format_duration(delay_s)} later"
    return pinned_dns(place, "slow", names, told=told, delay_s=delay_s, resolver=resolver, port=port, ttl=ttl)


@DNS.action
def wrong_address(
    names: str | list[str],
    address: Texts,
    *,
    resolver: Texts = "",
    port: int = 53,
    netns: str = "",
    pid: int = 0,
    ttl: str = "60s",
) -> Pinned:
    """Answer questions for the addresses of some names with a wrong one, as a stale or poisoned record does.

    Args:
        names: `db.internal`, `*.internal` for all below, several with commas; `*` for every name
        address: one of IP version 4, of 6, or both; of a version without one there is no address then
        resolver: addresses of the DNS servers; without, those of the place's resolv.conf
        port: where they listen
        netns: in this network namespace, by its name
        pid: in the network namespace of this process; without both, on this host
        ttl: how long the fault may stand without the runner's word; the kernel itself keeps it

    Blast radius: every program in that one namespace that asks these DNS servers for these names, and who is reached
        instead; connections that stand already go on.
    Undo: our table is deleted and the responder ended. The wrong answer's own time to live is 0, so no cache keeps it.
    Effective when: the responder has answered a real question so. What sits in caches is not asked for.

    Raises:
        BadUsage: an argument makes no sense.
        Missing: dnspython is not installed.
        Refused: no such place, no right to change it, no nftables, it stands already, or the run needs the names.
    """
    wrong = addresses("address", address, needed=True)
    if any(network.num_addresses > 1 for network in wrong.networks):
        raise BadUsage("address: give addresses, no network")
    texts = [str(network.network_address) for network in wrong.networks]
    place = place_of(netns=netns, pid=pid)
    told = f"as {', '.join(texts)}"
    return pinned_dns(place, "wrong_address", names, told=told, addresses=texts, resolver=resolver, port=port, ttl=ttl)
