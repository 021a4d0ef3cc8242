"""What stands at the interfaces of a place, read with `ip -j` and `tc -j`; nothing is touched."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.network.namespace import Place, run_in
from chaoslab.network.programs import ProgramFailed

GUARD = "shaping"


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface as it was when the fault was pinned."""

    name: str
    index: int
    mtu: int
    queue: int


def interface_of(place: Place, name: str) -> Interface:
    """Return the interface meant.

    Raises:
        BadUsage: none is named.
        Refused: there is no such interface, or it is down.
        Missing: there is no program `ip`.
    """
    if not name:
        raise BadUsage("interface: name one, such as eth0")
    links = {link["ifname"]: link for link in links_of(place)}
    if name not in links:
        raise Refused(GUARD, f"there is no interface {name!r} in {place.name}; there are {', '.join(links)}")
    link = links[name]
    if "UP" not in link["flags"]:
        raise Refused(GUARD, f"the interface {name} in {place.name} is down: nothing passes that could be shaped")
    return Interface(name, int(link["ifindex"]), int(link["mtu"]), int(link.get("txqlen", 0)))


def links_of(place: Place) -> list[dict[str, Any]]:
    """Return the interfaces of a place."""
    return items(run_in(place, ["ip", "-j", "link", "show"]))


def name_of(place: Place, index: int) -> str:
    """Return the name that an interface has now; '' when it is gone."""
    return next((link["ifname"] for link in links_of(place) if link["ifindex"] == index), "")


def queues_of(place: Place, name: str, *options: str) -> list[dict[str, Any]]:
    """Return the queues of an interface; none when it is gone."""
    try:
        return items(run_in(place, ["tc", *options, "-j", "qdisc", "show", "dev", name]))
    except ProgramFailed:
        return []


def ranks_at(place: Place, name: str, hook: str) -> list[int]:
    """Return the preferences of the filters at a hook, `ingress` or `egress`, of an interface that has it."""
    return ranks_in(items(run_in(place, ["tc", "-j", "filter", "show", "dev", name, hook])))


def ranks_in(filters: list[dict[str, Any]]) -> list[int]:
    """Return the preferences of filters as `tc` shows them, each once."""
    return sorted({int(item["pref"]) for item in filters})


def default_queue() -> str:
    """Return the kernel's setting; '' where it is not shown, as in a network namespace."""
    try:
        return Path("/proc/sys/net/core/default_qdisc").read_text().strip()
    except OSError:
        return ""


def items(told: str) -> list[dict[str, Any]]:
    """Return what `ip -j` or `tc -j` printed.

    Raises:
        ProgramFailed: it is no JSON.
    """
    try:
        return [item for item in json.loads(told or "[]") if item]
    except ValueError as error:
        raise ProgramFailed(f"what ip or tc shows cannot be read: {error}") from error
