"""Toxics of Toxiproxy as faults of ours, which stand in our own proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaoslab.core.proposal.equivalent import Equivalent, Unlike

_PROXY = {"proxy": "lab:proxy.control"}
_OTHER_PROXY = "the service must reach this through chaoslab's proxy, in place of Toxiproxy: set `proxy`"


def toxic(kind: str, attributes: Mapping[str, Any], stream: str, *, toxicity: object = 1.0) -> Equivalent:
    """Return our fault for a toxic.

    Args:
        kind: `latency`, `bandwidth`, `timeout`, `reset_peer`, or `down` for a proxy that is switched off
        attributes: latencies in milliseconds, rates in KiB a second
        stream: `upstream`, or `downstream`, which is what is meant without
        toxicity: share of the connections that are hit, from 0 to 1

    Raises:
        Unlike: there is none.
    """
    share = _share(toxicity)
    way = {"direction": "upstream"} if stream == "upstream" else {}
    if kind == "latency":
        latency, jitter = _number(attributes, "latency"), _number(attributes, "jitter")
        return _proxied(
            "delay_tcp",
            {"latency": f"{latency:g}ms", **({"jitter": f"{jitter:g}ms"} if jitter else {}), **way, **share},
        )
    if kind == "bandwidth":
        rate = _number(attributes, "rate")
        if not rate:
            raise Unlike("a rate of 0 lets nothing pass: take `network.blackhole_tcp`")
        return _proxied("throttle_tcp", {"rate": f"{rate:g}KiB", **({"direction": stream} if stream else {}), **share})
    if kind in ("timeout", "reset_peer", "down"):
        return _proxied("blackhole_tcp" if kind == "timeout" else "reset_tcp", share)
    raise Unlike(f"our proxy delays, throttles, blocks and resets connections; it has no `{kind}`")


def _share(toxicity: object) -> dict[str, str]:
    if toxicity in (None, ""):
        return {}
    if not isinstance(toxicity, int | float) or isinstance(toxicity, bool) or not 0 < toxicity <= 1:
        raise Unlike(f"its toxicity of {toxicity} is no share above 0 that stands in the file")
    return {} if toxicity == 1 else {"share": f"{toxicity * 100:g}%"}


def _number(attributes: Mapping[str, Any], name: str) -> float:
    value = attributes.get(name) or 0
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Unlike(f"{name} is no number that stands in the file")
    return value


def _proxied(function: str, arguments: Mapping[str, Any]) -> Equivalent:
    said = {"proxy": "${proxy}", **arguments}
    name = f"chaoslab.network.actions.{function}"
    return Equivalent(name, said, "proxy", "${proxy}", decide=_OTHER_PROXY, configuration=_PROXY)
