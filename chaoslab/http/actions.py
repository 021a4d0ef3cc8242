"""Faults of HTTP between a service and one that it asks, by an HTTP proxy that stands between them.

No root is needed. `proxy` is always the control socket of a running `chaoslab.http.proxy`; the embedded lab has one
before its downstream service: `lab:downstream.http_proxy`. The proxy heals by itself when the time-to-live is over,
whatever became of the runner and of its reaper.
"""

from typing import Any

from chaoslab.core.errors import BadUsage
from chaoslab.core.units import duration_text, format_share
from chaoslab.http.rules import STATUS_HIGHEST, STATUS_LOWEST
from chaoslab.runtime.arguments import latency_and_jitter, one_of, share_above_zero
from chaoslab.runtime.fault import Fault, Pinned
from chaoslab.runtime.proxyfault import add_toxic, has_met_traffic, pinned_at_proxy, remove_toxic

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LONGEST_DELAY_S = 30.0
_RULE = Fault(inject=add_toxic, effective=has_met_traffic, undo=remove_toxic)
_SLOW_RULE = Fault(
    inject=add_toxic, effective=has_met_traffic, undo=remove_toxic, effective_within_s=_LONGEST_DELAY_S + 5.0
)


@_RULE.action
def fail(
    proxy: str, route: str, share: str = "100%", status: int | str = 503, method: str = "", ttl: str = "60s"
) -> Pinned:
    """Answer a share of the requests with an error in the server's place, which never sees them.

    Args:
        proxy: control socket of the proxy
        route: which requests: `/appointments/{id}`, where `{id}` is one part of the path; `/*` for all
        share: how many of them, by chance
        status: what they are answered, 400 to 599
        method: GET, POST ...; '' for every method
        ttl: how long the fault may stand without the runner's word

    Blast radius: the requests of this route through this proxy.
    Undo: the rule is removed from the proxy.
    Effective when: the proxy has answered a real request so. Without requests it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the proxy does not answer, or this very fault stands already.
    """
    number = int(status) if str(status).isdigit() else 0
    if not STATUS_LOWEST <= number <= STATUS_HIGHEST:
        raise BadUsage(f"status: {status!r} is none from {STATUS_LOWEST} to {STATUS_HIGHEST}")
    return _pinned(proxy, "fail", f"with {number}", route, share, method, parameters={"status": number}, ttl=ttl)


@_SLOW_RULE.action
def delay(
    proxy: str,
    route: str,
    latency: str,
    jitter: str = "0s",
    share: str = "100%",
    method: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Hold a share of the requests for a while before they go on, as an overloaded server does.

    Args:
        proxy: control socket of the proxy
        route: which requests: `/appointments/{id}`, where `{id}` is one part of the path; `/*` for all
        latency: how long they are held, at most 30s
        jitter: by how much that varies, up and down
        share: how many of them, by chance
        method: GET, POST ...; '' for every method
        ttl: how long the fault may stand without the runner's word

    Blast radius: the requests of this route through this proxy.
    Undo: the rule is removed from the proxy; what is held goes on at once.
    Effective when: the proxy has held a real request to the end. Without requests it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the proxy does not answer, or this very fault stands already.
    """
    latency_s, jitter_s = latency_and_jitter(latency, jitter, most_s=_LONGEST_DELAY_S)
    told = f"by {duration_text(latency_s)} +- {duration_text(jitter_s)}"
    parameters = {"delay_s": latency_s, "jitter_s": jitter_s}
    return _pinned(proxy, "delay", told, route, share, method, parameters=parameters, ttl=ttl)


@_RULE.action
def abort(proxy: str, route: str, share: str = "100%", method: str = "", ttl: str = "60s") -> Pinned:
    """End the connection of a share of the requests with RST, as a server that crashes under them does.

    Args:
        proxy: control socket of the proxy
        route: which requests: `/appointments/{id}`, where `{id}` is one part of the path; `/*` for all
        share: how many of them, by chance
        method: GET, POST ...; '' for every method
        ttl: how long the fault may stand without the runner's word

    Blast radius: the requests of this route through this proxy.
    Undo: the rule is removed from the proxy; clients connect anew.
    Effective when: the proxy has ended the connection of a real request. Without requests it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the proxy does not answer, or this very fault stands already.
    """
    return _pinned(proxy, "abort", "", route, share, method, parameters={}, ttl=ttl)


def _pinned(
    proxy: str, kind: str, told: str, route: str, share: str, method: str, *, parameters: dict[str, Any], ttl: str
) -> Pinned:
    wanted, verb = share_above_zero("share", share), one_of("method", method.upper(), ("", *METHODS))
    if not route.startswith("/"):
        raise BadUsage(f"route: {route!r} is no path; write /appointments/{{id}}, or /* for all")
    whom = f"{format_share(wanted)} of {verb or 'all'} {route}"
    name = " ".join(word for word in ("chaoslab", kind, told, whom) if word)
    selection = {"route": route, "method": verb, "share": wanted}
    return pinned_at_proxy(proxy, name, kind, parameters={**selection, **parameters}, ttl=ttl, protocol="HTTP")
