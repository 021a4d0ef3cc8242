"""A container taken off a network, and put back with the names and addresses that it had there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.docker.client import GUARD, SDK, talking
from chaoslab.docker.target import (
    Container,
    attrs_now,
    claims_of,
    containers_of,
    data_of,
    describe,
    identity,
    is_here,
    must_run,
    select,
)
from chaoslab.docker.watchdog import Request, dismiss_watchdog, set_watchdog, watch_for
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned

_UNDO_S = 60.0
_BAD_REQUEST = 400


def _part(data: Data) -> None:
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            must_run(client, wanted)
        set_watchdog(client, data, containers_of(data), [_joining(client, one, data) for one in containers_of(data)])
        for wanted in containers_of(data):
            client.api.disconnect_container_from_network(wanted.id, data["network"])


def _is_parted(data: Data) -> bool:
    """Say whether each has lost its address there, which the kernel says, and its daemon knows."""
    with talking(data["docker"]) as client:
        found = [(wanted, attrs_now(client, wanted)) for wanted in containers_of(data)]
    return all(
        bool(attrs)
        and bool(attrs["State"]["Running"])
        and not _membership(attrs, data["network"])
        and not _has_address(identity(attrs), data["before"][wanted.id]["was"])
        for wanted, attrs in found
    )


def _rejoin(data: Data) -> None:
    """Put back who is not there; a container that is gone, or a network that is, needs it no more."""
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            attrs = attrs_now(client, wanted)
            if not attrs or _membership(attrs, data["network"]):
                continue
            if not _is_absent(client, data["network"]):
                _connect(client, wanted, data["network"], data["before"][wanted.id])
        dismiss_watchdog(client, data)


def _connect(client: Any, wanted: Container, network: str, before: Mapping[str, Any]) -> None:
    """Connect with the address of before; where Docker lets nobody choose one, with the one that it gives."""
    from docker.errors import APIError

    options = _options(before)
    try:
        client.api.connect_container_to_network(wanted.id, network, **options)
    except APIError as error:
        if before["chosen"] or error.status_code != _BAD_REQUEST:
            raise
        options |= {"ipv4_address": None, "ipv6_address": None}
        client.api.connect_container_to_network(wanted.id, network, **options)


def _joining(client: Any, wanted: Container, data: Data) -> Request:
    """Return how the watchdog connects a container again: with its address only where somebody chose it."""
    before = data["before"][wanted.id]
    options = _options(before) | ({} if before["chosen"] else {"ipv4_address": None, "ipv6_address": None})
    body = {"Container": wanted.id, "EndpointConfig": client.api.create_endpoint_config(**options)}
    return f"/networks/{data['network']}/connect", body


def _options(before: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in before.items() if name not in {"was", "chosen"}}


JOIN = Fault(
    inject=_part, effective=_is_parted, undo=_rejoin, effective_within_s=15.0, undo_deadline_s=_UNDO_S, loads=SDK
)


@JOIN.action
def disconnect(
    container: str = "",
    network: str = "",
    *,
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    watchdog: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Take a container off a network, as a pulled cable does: its interface there is gone, and its name with it.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        network: the network's name; needed only where the container is on several
        labels, compose, which, docker: which containers, and whose, as for `chaoslab.docker.actions.pause`
        watchdog: of a daemon elsewhere, as for `chaoslab.docker.actions.pause`
        ttl: how long it may stay off without the runner's word

    Blast radius: the chosen containers on this one network, ports published there, and whoever looks for their names.
    Undo: they are connected again, with the same aliases, links and options, and the same address where the network has
        a subnet of its user's choice; elsewhere Docker gives the first free one. Open connections are lost.
    Effective when: the kernel has taken the address from it; of a daemon elsewhere, when it says so.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such container, several where one was meant, not on that network or on several, the network of its
            host or of another container, the container in which the run or the daemon lives, no daemon answers, or no
            watchdog can stand at one elsewhere.
    """
    ttl_s = time_to_live(ttl)
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    names = {_network_of(attrs, network) for attrs in chosen}
    if len(names) > 1:
        raise Refused(GUARD, f"{describe(chosen)} are on different networks; say which is meant")
    name, number = names.pop()
    before = {str(attrs["Id"]): _as_before(attrs, number) for attrs in chosen}
    data = data_of(address, chosen) | {"network": number, "before": before, "ttl_s": ttl_s}
    data["watch"] = watch_for(address, chosen, watchdog, what=f"disconnect {number}")
    return Pinned(f"{describe(chosen)} on the network {name}", data, ttl_s, claims_of(chosen, f"network {number}"))


def _network_of(attrs: Mapping[str, Any], network: str) -> tuple[str, str]:
    """Return the name and id of the network that is meant.

    Raises:
        Refused: the container is not on it, is on several, or has no network of its own.
    """
    who = identity(attrs).text
    # A daemon without a bridge of its own lists that network all the same, without an id: nothing is connected to it.
    found = {name: one for name, one in attrs["NetworkSettings"]["Networks"].items() if one["NetworkID"]}
    if attrs["HostConfig"]["NetworkMode"] == "host" or attrs["HostConfig"]["NetworkMode"].startswith("container:"):
        raise Refused(GUARD, f"{who} uses the network of its host or of another container")
    if attrs["HostConfig"]["NetworkMode"] == "none" or not found:
        raise Refused(GUARD, f"{who} has no network, from which it could be cut off")
    if network:
        fitting = {name: one for name, one in found.items() if network == name or one["NetworkID"].startswith(network)}
        if not fitting:
            raise Refused(
                GUARD, f"{who} is not on the network {network}; it is on {', '.join(sorted(found)) or 'none'}"
            )
    else:
        fitting = found
    if len(fitting) != 1:
        raise Refused(GUARD, f"{who}: say which network is meant; it is on several: {', '.join(sorted(fitting))}")
    [(name, one)] = fitting.items()
    return name, str(one["NetworkID"])


def _as_before(attrs: Mapping[str, Any], network: str) -> dict[str, Any]:
    """Return how the container is connected again, as JSON; `was` is the address that it has now."""
    one, networks = _membership(attrs, network), attrs["NetworkSettings"]["Networks"]
    own = one.get("IPAMConfig") or {}
    user_defined = "bridge" not in {name for name, known in networks.items() if known["NetworkID"] == network}
    found: dict[str, Any] = {"was": one["IPAddress"], "links": one.get("Links")}
    found["chosen"] = bool(own.get("IPv4Address") or own.get("IPv6Address"))
    if user_defined:
        found["aliases"] = [name for name in one.get("Aliases") or () if name != attrs["Id"][:12]]
        # The address of now, also where it was given by chance: others may have it in their configuration.
        found["ipv4_address"] = own.get("IPv4Address") or one["IPAddress"] or None
        found["ipv6_address"] = own.get("IPv6Address") or one.get("GlobalIPv6Address") or None
    if one.get("DriverOpts"):
        found["driver_opt"] = one["DriverOpts"]
    return found


def _membership(attrs: Mapping[str, Any], network: str) -> dict[str, Any]:
    networks = attrs["NetworkSettings"]["Networks"].values()
    return next((dict(one) for one in networks if one["NetworkID"] == network), {})


def _has_address(container: Container, address: str) -> bool:
    """Say whether the kernel holds an address for a container; of one elsewhere, nothing is known here."""
    if not address or not is_here(container):
        return False
    try:
        table = Path(f"/proc/{container.pid}/net/fib_trie").read_text()
    except OSError:
        return False
    return f"|-- {address}\n" in table


def _is_absent(client: Any, network: str) -> bool:
    from docker.errors import NotFound

    try:
        client.api.inspect_network(network)
    except NotFound:
        return True
    return False
