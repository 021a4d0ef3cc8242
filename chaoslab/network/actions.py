"""Faults of the network between a service and what it talks to, by a TCP proxy that stands between them.

No root is needed. `proxy` is always the control socket of a running `chaoslab.network.proxy`; the embedded lab has
one before its database: `lab:proxy.control`. The proxy heals by itself when the time-to-live is over, whatever became
of the runner and of its reaper.
"""

from typing import Any

from chaoslab.core.errors import BadUsage
from chaoslab.core.units import duration_text, format_share, format_size
from chaoslab.runtime.arguments import latency_and_jitter, one_of, share_above_zero, size_bytes
from chaoslab.runtime.fault import Fault, Pinned
from chaoslab.runtime.proxyfault import add_toxic, has_met_traffic, pinned_at_proxy, remove_toxic

_LONGEST_DELAY_S = 10.0
_DIRECTIONS = ("downstream", "upstream", "both")


_TOXIC = Fault(inject=add_toxic, effective=has_met_traffic, undo=remove_toxic)
_SLOW_TOXIC = Fault(
    inject=add_toxic, effective=has_met_traffic, undo=remove_toxic, effective_within_s=_LONGEST_DELAY_S + 5.0
)


@_SLOW_TOXIC.action
def delay_tcp(
    proxy: str,
    latency: str,
    jitter: str = "0s",
    direction: str = "downstream",
    share: str = "100%",
    ttl: str = "60s",
) -> Pinned:
    """Delay what passes through the proxy, as distance or a congested line does; the order of bytes stays.

    Args:
        proxy: control socket of the proxy
        latency: how much later everything arrives, at most 10s
        jitter: by how much that varies, up and down
        direction: `downstream` (answers: a round trip grows by latency once), `upstream` (requests), or `both`
        share: how many of the connections, each by chance
        ttl: how long the fault may stand without the runner's word

    Blast radius: every client of this proxy, or that share of its connections.
    Undo: the toxic is removed from the proxy; what is held passes at once.
    Effective when: real traffic was delayed, as the proxy has measured it. Without traffic it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the proxy does not answer, or this very fault stands already.
    """
    hint = "to let nothing pass, use blackhole_tcp"
    latency_s, jitter_s = latency_and_jitter(latency, jitter, most_s=_LONGEST_DELAY_S, hint=hint)
    way = one_of("direction", direction, _DIRECTIONS)
    parameters = {"latency_s": latency_s, "jitter_s": jitter_s, "direction": way}
    told = f"{duration_text(latency_s)} +- {duration_text(jitter_s)} {direction}"
    return _pinned(proxy, "latency", told, share, parameters=parameters, ttl=ttl)


@_TOXIC.action
def blackhole_tcp(proxy: str, share: str = "100%", ttl: str = "60s") -> Pinned:
    """Let nothing pass in either direction while connections stay open, as a firewall that drops packets does.

    New connections are accepted and get no answer. Afterwards the held bytes arrive, as TCP would send them again.

    Args:
        proxy: control socket of the proxy
        share: how many of the connections, each by chance
        ttl: how long the fault may stand without the runner's word

    Blast radius: every client of this proxy, or that share of its connections.
    Undo: the toxic is removed from the proxy; what is held passes at once.
    Effective when: real traffic is held, as the proxy has counted it. Without traffic it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the proxy does not answer, or this very fault stands already.
    """
    return _pinned(proxy, "blackhole", "", share, parameters={}, ttl=ttl)


@_TOXIC.action
def reset_tcp(proxy: str, share: str = "100%", ttl: str = "60s") -> Pinned:
    """End all connections with RST, and new ones at once, as a crashed server or an impatient balancer does.

    Args:
        proxy: control socket of the proxy
        share: how many of the connections, each by chance
        ttl: how long the fault may stand without the runner's word

    Blast radius: every client of this proxy, or that share of its connections; what they had under way is lost.
    Undo: the toxic is removed from the proxy; clients connect anew.
    Effective when: a real connection was reset, as the proxy has counted it. Without traffic it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the proxy does not answer, or this very fault stands already.
    """
    return _pinned(proxy, "reset", "", share, parameters={}, ttl=ttl)


@_TOXIC.action
def throttle_tcp(proxy: str, rate: str, direction: str = "both", share: str = "100%", ttl: str = "60s") -> Pinned:
    """Let all connections together carry no more than a rate, as a saturated line does.

    Args:
        proxy: control socket of the proxy
        rate: size per second, such as `64KiB`
        direction: `downstream` (answers), `upstream` (requests), or `both`, each with this rate
        share: how many of the connections, each by chance
        ttl: how long the fault may stand without the runner's word

    Blast radius: every client of this proxy, or that share of its connections.
    Undo: the toxic is removed from the proxy.
    Effective when: real traffic was slowed, as the proxy has counted it. Without traffic it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the proxy does not answer, or this very fault stands already.
    """
    bytes_per_s = size_bytes("rate", rate)
    if bytes_per_s <= 0:
        raise BadUsage("rate: must be above zero; to let nothing pass, use blackhole_tcp")
    parameters = {"bytes_per_s": bytes_per_s, "direction": one_of("direction", direction, _DIRECTIONS)}
    told = f"{format_size(bytes_per_s)}/s {direction}"
    return _pinned(proxy, "throttle", told, share, parameters=parameters, ttl=ttl)


def _pinned(proxy: str, kind: str, told: str, share: str, *, parameters: dict[str, Any], ttl: str) -> Pinned:
    """Ask the proxy who it is, and touch nothing.

    Raises:
        BadUsage: the share makes no sense.
        Refused: it does not answer, or this very fault stands already and its undo would be ours.
    """
    wanted = share_above_zero("share", share)
    if wanted < 1.0:
        told, parameters = f"{told} {format_share(wanted)} of connections", {**parameters, "share": wanted}
    name = " ".join(f"chaoslab {kind} {told}".split())
    return pinned_at_proxy(proxy, name, kind, parameters=parameters, ttl=ttl, protocol="TCP")
