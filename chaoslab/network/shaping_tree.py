"""Our tree of queues: HTB as its root, one class for the chosen packets, a queue in it that delays, loses or limits.

Where nobody configured the interface's root, the tree stands there, and filters lead the chosen packets into the class;
what no filter picks goes through HTB's direct queue, unshaped. The root is removed by its handle, which takes all the
rest with it in one step of the kernel and gives the interface its default queue back. A root that somebody configured
is never touched: the tree then stands beside it (`shaping_road`).
"""

import json
import zlib
from typing import Any

from chaoslab.core.errors import ChaoslabError, Missing, Refused
from chaoslab.network import shaping_road
from chaoslab.network.batch import batch
from chaoslab.network.looks import GUARD, Interface, default_queue, name_of, queues_of
from chaoslab.network.namespace import Gone, Place
from chaoslab.network.programs import ProgramFailed
from chaoslab.network.shaping_drain import counted, drained
from chaoslab.network.shaping_spare import spared
from chaoslab.network.shaping_traffic import Traffic, matches_of
from chaoslab.network.turns import change, names_of, turn
from chaoslab.runtime.fault import Data

_OURS = range(0xCA00, 0xCB00)
_LEAF_AFTER_ROOT = 0x100
_NO_CONFIGURATION = "0:"
"""The handle of every queue that the kernel itself gave the interface."""
_FAST = "rate 100gbit burst 16mb cburst 16mb quantum 200000"
_DIRECT_QUEUE = 1000
_EVERYTHING = ("all", "match u32 0 0")
_LONGEST_DRAIN_S = 1.0


def why_not_at_root(place: Place, interface: Interface, queues: list[dict[str, Any]]) -> str:
    """Return why our tree cannot replace the interface's root; '' when it can.

    Args:
        place: where the interface is
        interface: the one that is meant
        queues: its queues, as `tc` shows them

    Raises:
        Refused: another fault of ours stands there.
    """
    roots = [queue for queue in queues if queue["kind"] not in {"ingress", "clsact"}]
    for queue in roots:
        handle = str(queue["handle"])
        if handle == _NO_CONFIGURATION:
            continue
        told = f"{queue['kind']} {handle} on {interface.name} in {place.name}"
        if int(handle.rstrip(":"), 16) in _OURS:
            raise Refused(GUARD, f"another fault shapes already: {told}; wait for its end, or run `chaoslab undo`")
        return f"somebody configured {told}, which would be lost, for the kernel has no copy of it"
    default = default_queue()
    for queue in roots:
        if default and queue["kind"] in {"pfifo_fast", "fq_codel", "fq", "sfq", "cake"} and queue["kind"] != default:
            why = f"net.core.default_qdisc is {default} by now, so that would come back instead"
            return f"{interface.name} in {place.name} has the default queue {queue['kind']}, but {why}"
    return ""


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

    Raises:
        Refused: the tree can stand neither at the root nor beside it, or another fault of ours stands there.
        Missing: it must stand beside it, and the kernel cannot do that.
    """
    queues = queues_of(place, interface.name)
    why = "" if traffic.arriving else why_not_at_root(place, interface, queues)
    matches, spare = matches_of(traffic) or [_EVERYTHING], spared(place, traffic)
    seed = json.dumps([place.data(), interface.name, interface.index, shape, leaf, matches, traffic.arriving])
    unique = zlib.crc32(seed.encode())
    number = _OURS.start + unique % len(_OURS)
    data = {
        "place": place.data(),
        "interface": interface.name,
        "index": interface.index,
        "root": f"{number:x}:",
        "leaf": f"{number + _LEAF_AFTER_ROOT:x}:",
        "drain_s": min(held_s, _LONGEST_DRAIN_S),
    }
    shaping_road.refuse_other(place, interface, queues, arriving=traffic.arriving)
    if traffic.arriving or why:
        road = shaping_road.road_of(place, interface, queues, arriving=traffic.arriving, unique=unique, why=why)
        tree = _tree(data, road.device, shape=shape, leaf=leaf, default=1, direct=_DIRECT_QUEUE)
        return data | {"lines": tree, "road": road.data() | {"filters": road.filters(interface.name, spare, matches)}}
    direct = max(interface.queue, _DIRECT_QUEUE)
    tree = _tree(data, interface.name, shape=shape, leaf=leaf, default=0, direct=direct)
    return data | {"lines": _with_filters(tree, interface.name, str(data["root"]), spare, matches)}


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
            if names_of(place, held).get(data["index"]) != name:
                raise Refused(GUARD, f"the interface {name} in {place.name} has gone, or is another one by now")
            if "road" in data:
                shaping_road.put(data, place, held)
            else:
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
    place = Place.of(data["place"])
    try:
        with turn(place) as held:
            names = names_of(place, held)
            name = names.get(data["index"], "")  # it may have another one by now
            if "road" in data:
                shaping_road.take_away(data, place, held, names)
            elif name:
                _uproot(data, place, held, name)
    except Gone:
        return  # the namespace took the interface and our tree with it


def counters(data: Data) -> dict[str, dict[str, int]] | None:
    """Return what the kernel has counted at our root and at our leaf; None when they do not stand."""
    place = Place.of(data["place"])
    name = data["road"]["device"] if "road" in data else data["interface"]
    try:
        found = counted(queues_of(place, name, "-s"), data)
        if found is None and "road" not in data and (now := name_of(place, data["index"])):  # renamed meanwhile
            found = counted(queues_of(place, now, "-s"), data)
    except Gone:
        return None
    return found


def _tree(data: Data, device: str, *, shape: str, leaf: str, default: int, direct: int) -> list[str]:
    root = data["root"]
    return [
        f"qdisc add dev {device} root handle {root} htb default {default} direct_qlen {direct}",
        f"class add dev {device} parent {root} classid {root}1 htb {shape or _FAST}",
        f"qdisc add dev {device} parent {root}1 handle {data['leaf']} {leaf}",
    ]


def _with_filters(
    tree: list[str], name: str, root: str, spare: list[tuple[str, str]], matches: list[tuple[str, str]]
) -> list[str]:
    """Return all lines of a tree at an interface's root."""
    return [
        tree[0],
        *(_filter(name, root, rank=1, match=match, into=root) for match in spare),
        *tree[1:],
        # The filters come last: until the first of them stands, everything passes as before.
        *(_filter(name, root, rank=3, match=match, into=f"{root}1") for match in matches),
    ]


def _filter(name: str, root: str, *, rank: int, match: tuple[str, str], into: str) -> str:
    """Write one filter; the kernel wants another rank for each protocol."""
    protocol, words = match
    preference = rank + (protocol == "ipv6")
    return f"filter add dev {name} parent {root} protocol {protocol} prio {preference} u32 {words} flowid {into}"


def _uproot(data: Data, place: Place, held: int, name: str) -> None:
    """Remove the root, after what it held has left."""
    root = str(data["root"])
    delete = f"qdisc del dev {name} root handle {root}"
    try:
        with batch(place, held) as tc:
            if data["drain_s"]:
                show = f"qdisc show dev {name}"
                drained(data, tc.ask(f"filter del dev {name} parent {root}", show), lambda: tc.ask(show))
            tc.end(delete)
    except ProgramFailed:
        # Nothing of ours, or half of it, without filters: only what is there can say.
        if any(queue["handle"] == root for queue in queues_of(place, name)):
            change(place, ["tc", *delete.split()], held=held)


def _why(failed: ProgramFailed, name: str) -> ChaoslabError:
    told = str(failed)
    if "kind is unknown" in told:
        return Missing("netem", "use a Linux kernel that has sch_netem, sch_htb and cls_u32")
    if "Unknown device type" in told or "TC action" in told:
        return Missing("ifb", "use a Linux kernel that has ifb, sch_ingress and act_mirred")
    if any(word in told for word in ("Exclusivity", "File exists", "NLM_F_REPLACE")):  # as kernels say it
        return Refused(GUARD, f"somebody has given {name} another root meanwhile")
    return failed
