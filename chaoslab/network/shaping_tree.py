"""Our tree of queues at one interface: HTB as its root, one class for the chosen packets, filters that lead into it.

What no filter picks goes through HTB's direct queue, unshaped. The root is removed by its handle, which takes all the
rest with it in one step of the kernel and gives the interface its default queue back; so a root that somebody
configured is never replaced. All of it is read with `tc -j`, and ours is known by its handle.
"""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Missing, Refused
from chaoslab.network.namespace import Gone, Place, run_in
from chaoslab.network.programs import ProgramFailed
from chaoslab.network.shaping_spare import spared
from chaoslab.network.shaping_traffic import Traffic, matches_of
from chaoslab.network.turns import change, index_of, turn
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data

GUARD = "shaping"
_OURS = range(0xCA00, 0xCB00)
_LEAF_AFTER_ROOT = 0x100
_NO_CONFIGURATION = "0:"
"""The handle of every queue that the kernel itself gave the interface."""
_FAST = "rate 100gbit burst 16mb cburst 16mb quantum 200000"
_DIRECT_QUEUE = 1000
_EVERYTHING = ("all", "match u32 0 0")
_LONGEST_DRAIN_S = 1.0
_COUNTED = ("packets", "drops", "overlimits", "qlen")
_POLL_S = 0.01


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
    links = {link["ifname"]: link for link in _links(place)}
    if name not in links:
        raise Refused(GUARD, f"there is no interface {name!r} in {place.name}; there are {', '.join(links)}")
    link = links[name]
    if "UP" not in link["flags"]:
        raise Refused(GUARD, f"the interface {name} in {place.name} is down: nothing passes that could be shaped")
    return Interface(name, int(link["ifindex"]), int(link["mtu"]), int(link.get("txqlen", 0)))


def refuse_configured(place: Place, interface: Interface) -> None:
    """Refuse an interface whose queue would not come back by itself.

    Raises:
        Refused: somebody configured its root, or another fault of ours stands there.
    """
    queues = _queues(place, interface.name)
    for queue in queues:
        handle = str(queue["handle"])
        if handle == _NO_CONFIGURATION or queue["kind"] in {"ingress", "clsact"}:
            continue
        told = f"{queue['kind']} {handle} on {interface.name} in {place.name}"
        if int(handle.rstrip(":"), 16) in _OURS:
            raise Refused(GUARD, f"another fault shapes already: {told}; wait for its end, or run `chaoslab undo`")
        why = "would be lost, for the kernel has no copy of it"
        raise Refused(GUARD, f"somebody configured {told}, which {why}; remove it for the exercise")
    default = _default_queue()
    for queue in queues:
        if default and queue["kind"] in {"pfifo_fast", "fq_codel", "fq", "sfq", "cake"} and queue["kind"] != default:
            why = f"net.core.default_qdisc is {default} by now, so that would come back instead"
            raise Refused(GUARD, f"{interface.name} in {place.name} has the default queue {queue['kind']}, but {why}")


def plan_of(
    place: Place, interface: Interface, traffic: Traffic, *, shape: str, leaf: str, held_s: float
) -> dict[str, Any]:
    """Return, as data for the ledger, what `tc -batch` will be told, and by which handles ours is known.

    Args:
        place: where the interface is
        interface: what is shaped
        traffic: which packets
        shape: the parameters of the class, HTB's
        leaf: the queue in the class, with its parameters
        held_s: how long it may hold a packet
    """
    matches = matches_of(traffic)
    seed = json.dumps([place.data(), interface.name, interface.index, shape, leaf, matches], sort_keys=True)
    number = _OURS.start + zlib.crc32(seed.encode()) % len(_OURS)
    root, inner, name = f"{number:x}:", f"{number + _LEAF_AFTER_ROOT:x}:", interface.name
    direct = max(interface.queue, _DIRECT_QUEUE)
    lines = [
        f"qdisc add dev {name} root handle {root} htb default 0 direct_qlen {direct}",
        *(_filter(name, root, rank=1, match=match, into=root) for match in spared(place, traffic)),
        f"class add dev {name} parent {root} classid {root}1 htb {shape or _FAST}",
        f"qdisc add dev {name} parent {root}1 handle {inner} {leaf}",
        # The filters come last: until the first of them stands, everything passes as before.
        *(_filter(name, root, rank=3, match=match, into=f"{root}1") for match in matches or [_EVERYTHING]),
    ]
    return {
        "place": place.data(),
        "interface": name,
        "index": interface.index,
        "root": root,
        "leaf": inner,
        "lines": lines,
        "drain_s": min(held_s, _LONGEST_DRAIN_S),
    }


def put(data: Data) -> None:
    """Put our tree up; the kernel refuses when somebody has put another root there meanwhile.

    Raises:
        Refused: the interface is gone, or has another root by now.
        Missing: the kernel cannot do it.
        ProgramFailed: tc says no for another reason.
    """
    place, name = Place.of(data["place"]), str(data["interface"])
    try:
        with turn(place) as held:
            if index_of(place, name, held) != data["index"]:
                raise Refused(GUARD, f"the interface {name} in {place.name} has gone, or is another one by now")
            change(place, ["tc", "-batch", "-"], stdin="\n".join(data["lines"]) + "\n", held=held)
    except Gone as gone:
        raise Refused(GUARD, str(gone)) from gone
    except ProgramFailed as failed:
        raise _why(failed, name) from failed


def take_away(data: Data) -> None:
    """Remove our tree, if it stands; whatever else stands there stays.

    The filters go first, and with them the fault; what our queue holds may still leave, for a second at most. Were it
    lost, those who wait for it would wait for TCP's next attempt, five times as long as for the fault itself.

    Raises:
        ProgramFailed: it stands and cannot be removed.
    """
    place, root = Place.of(data["place"]), str(data["root"])
    try:
        with turn(place) as held:
            _drain(data, held)
            try:
                _delete(place, str(data["interface"]), root, held)
            except ProgramFailed:
                # Not there, or not ours, or the interface has another name by now: only what is there can say.
                name = _name_of(place, data["index"])
                if name and _stands(place, name, root):
                    _delete(place, name, root, held)
    except Gone:
        return  # the namespace took the interface and our tree with it


def _drain(data: Data, held: int) -> None:
    """Lead no more packets into our queue, and wait for it to be empty."""
    if not data["drain_s"]:
        return
    place, root = Place.of(data["place"]), str(data["root"])
    name = data["interface"]
    # One program does both: each start of one takes as long as all of its work.
    lines = f"filter del dev {name} parent {root}\nqdisc show dev {name}\n"
    try:
        told = change(place, ["tc", "-s", "-j", "-batch", "-"], stdin=lines, held=held)
    except ProgramFailed:
        return  # nothing of ours stands there
    found = _counted(_items(told), data)
    until_s = CLOCK.mono() + data["drain_s"]
    while found and found["leaf"]["qlen"] and CLOCK.mono() < until_s:
        CLOCK.sleep(_POLL_S)
        found = counters(data)


def counters(data: Data) -> dict[str, dict[str, int]] | None:
    """Return what the kernel has counted at our root and at our leaf; None when they do not stand."""
    place = Place.of(data["place"])
    try:
        found = _counted(_queues(place, data["interface"], "-s"), data)
        if found is None and (name := _name_of(place, data["index"])):  # renamed meanwhile
            found = _counted(_queues(place, name, "-s"), data)
    except Gone:
        return None
    return found


def _counted(queues: list[dict[str, Any]], data: Data) -> dict[str, dict[str, int]] | None:
    ours = {queue["handle"]: queue for queue in queues}
    ends = {"root": data["root"], "leaf": data["leaf"]}
    if not all(handle in ours for handle in ends.values()):
        return None
    return {end: {key: int(ours[handle][key]) for key in _COUNTED} for end, handle in ends.items()}


def _filter(name: str, root: str, *, rank: int, match: tuple[str, str], into: str) -> str:
    """Write one filter; the kernel wants another rank for each protocol."""
    protocol, words = match
    preference = rank + (protocol == "ipv6")
    return f"filter add dev {name} parent {root} protocol {protocol} prio {preference} u32 {words} flowid {into}"


def _default_queue() -> str:
    """Return the kernel's setting; '' where it is not shown, as in a network namespace."""
    try:
        return Path("/proc/sys/net/core/default_qdisc").read_text().strip()
    except OSError:
        return ""


def _why(failed: ProgramFailed, name: str) -> ChaoslabError:
    told = str(failed)
    if "kind is unknown" in told:
        return Missing("netem", "use a Linux kernel that has sch_netem, sch_htb and cls_u32")
    if any(word in told for word in ("Exclusivity", "File exists", "NLM_F_REPLACE")):  # as kernels say it
        return Refused(GUARD, f"somebody has given {name} another root meanwhile")
    return failed


def _delete(place: Place, name: str, root: str, held: int) -> None:
    change(place, ["tc", "qdisc", "del", "dev", name, "root", "handle", root], held=held)


def _stands(place: Place, name: str, root: str) -> bool:
    return any(queue["handle"] == root for queue in _queues(place, name))


def _name_of(place: Place, index: int) -> str:
    """Return the name that an interface has now; '' when it is gone."""
    return next((link["ifname"] for link in _links(place) if link["ifindex"] == index), "")


def _links(place: Place) -> list[dict[str, Any]]:
    return _read(place, ["ip", "-j", "link", "show"])


def _queues(place: Place, name: str, *options: str) -> list[dict[str, Any]]:
    """Return the queues of an interface; none when it is gone."""
    try:
        return _read(place, ["tc", *options, "-j", "qdisc", "show", "dev", name])
    except ProgramFailed:
        return []


def _read(place: Place, argv: list[str]) -> list[dict[str, Any]]:
    return _items(run_in(place, argv))


def _items(told: str) -> list[dict[str, Any]]:
    return [item for item in json.loads(told or "[]") if item]
