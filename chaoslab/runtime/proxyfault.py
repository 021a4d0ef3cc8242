"""What all faults have in common that a proxy of ours commits: how they are pinned, added, seen to bite, and removed.

The proxy heals by itself when the time-to-live is over, whatever became of the runner and of its reaper.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.fault import Data, Pinned
from chaoslab.runtime.identity import ProcessIdentity, identify
from chaoslab.runtime.proxyclient import ProxyClient, ProxyGone

GUARD = "proxy"


def add_toxic(data: Data) -> dict[str, Any]:
    """Add the toxic, and return it as the proxy understood it."""
    return ProxyClient(data["proxy"]).add(data["toxic"], data["kind"], ttl_s=data["ttl_s"], **data["parameters"])


def has_met_traffic(data: Data) -> bool:
    """Say whether the toxic stands and the proxy has counted traffic that it held, delayed, slowed or reset."""
    state = ProxyClient(data["proxy"]).state()
    return data["toxic"] in state["toxics"] and state["met"][data["toxic"]]["times"] > 0


def remove_toxic(data: Data) -> None:
    """Remove the toxic; a proxy that is gone took it with it, one that is merely silent did not.

    Raises:
        ProxyGone: the very proxy that has the toxic lives, and does not answer.
    """
    try:
        ProxyClient(data["proxy"]).remove(data["toxic"])
    except ProxyGone:
        if ProcessIdentity(**data["process"]).is_alive():
            raise


def pinned_at_proxy(proxy: str, name: str, kind: str, *, parameters: dict[str, Any], ttl: str, protocol: str) -> Pinned:
    """Ask the proxy who it is, and touch nothing.

    Args:
        proxy: its control socket
        name: of the toxic, the same for the same fault
        kind: what the toxic does
        parameters: of that kind
        ttl: how long it may stand without the runner's word
        protocol: what the proxy speaks, `TCP` or `HTTP`

    Raises:
        BadUsage: the time to live makes no sense.
        Refused: it does not answer or speaks something else, or this very fault stands already: its undo would be ours.
    """
    ttl_s = time_to_live(ttl)
    try:
        state = ProxyClient(proxy).state()
    except ProxyGone as error:
        raise Refused(GUARD, str(error)) from error
    if state.get("protocol", "TCP") != protocol:
        raise Refused(GUARD, f"the proxy at {proxy} is one of {state['protocol']}, not of {protocol}")
    if name in state["toxics"]:
        raise Refused(GUARD, f"{kind} stands already at the proxy {proxy}; wait for its end, or run `chaoslab undo`")
    process = identify(int(state["pid"]))
    if process is None:
        raise Refused(GUARD, f"the proxy at {proxy} has just ended")
    data = {
        "proxy": str(Path(proxy).absolute()),  # the reaper works in another folder
        "process": asdict(process),
        "toxic": name,
        "kind": kind,
        "parameters": parameters,
        "ttl_s": ttl_s,
    }
    target = f"{protocol} from {state['listen']} to {state['upstream']}"
    return Pinned(target, data, ttl_s, claims=(f"toxic {name!r} of proxy {process.told()}",))
