"""A road beside an interface's queue: the chosen packets take it through our tree, and come back to where they were.

Filters at the interface's hook (`clsact`: what leaves comes by there before its queue, what arrives before anything
else) redirect them to an `ifb` device of ours, at whose root our tree stands. The kernel gives each packet back to the
interface when it leaves the tree. So the queue of the interface is never touched, whoever configured it, and what
arrives is shaped as well. Our filters come after those of others, and are known by their preferences; our device by its
name.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.network.batch import Batch, batch
from chaoslab.network.kernel import require_ifb
from chaoslab.network.looks import GUARD, Interface, links_of, queues_of, ranks_at, ranks_in
from chaoslab.network.namespace import Place
from chaoslab.network.shaping_drain import drained
from chaoslab.network.turns import change
from chaoslab.runtime.fault import Data

_HOOKS = {"clsact", "ingress"}
_RANKS = {"egress": range(0xCA00, 0xCB00), "ingress": range(0xCB00, 0xCC00)}
"""Above those that the kernel gives by itself (up to 0xC000): others get their packets first, as without us."""
_RANKS_EACH = 4
_MADE = "made-clsact"


@dataclass(frozen=True, slots=True)
class Road:
    """Where a fault's packets are led off, and where to."""

    device: str
    """Our ifb device, named by the fault."""
    hook: str
    """`egress` or `ingress`."""
    first_rank: int
    makes_hook: bool
    """Whether the hook is ours to remove: there was none, or another fault of ours made it."""

    def data(self) -> dict[str, Any]:
        """Return the road as JSON for the ledger."""
        return asdict(self)

    def filters(self, name: str, spare: list[tuple[str, str]], matches: list[tuple[str, str]]) -> list[str]:
        """Write the filters at an interface: those past whom packets go on as before, and those that lead them off."""
        away = f"action mirred egress redirect dev {self.device}"
        return [
            *(self._filter(name, match, rank=0, what="flowid 1:1") for match in spare),
            *(self._filter(name, match, rank=2, what=away) for match in matches),
        ]

    def _filter(self, name: str, match: tuple[str, str], *, rank: int, what: str) -> str:
        """Write one filter; the kernel wants another rank for each protocol."""
        protocol, words = match
        preference = self.first_rank + rank + (protocol == "ipv6")
        return f"filter add dev {name} {self.hook} protocol {protocol} pref {preference} u32 {words} {what}"


def refuse_other(place: Place, interface: Interface, queues: list[dict[str, Any]], *, arriving: bool) -> None:
    """Refuse an interface at whose hook another fault of ours stands for the same direction.

    Raises:
        Refused: one does.
    """
    hook = "ingress" if arriving else "egress"
    if _kind(queues) != "clsact":
        return
    if any(rank in _RANKS[hook] for rank in ranks_at(place, interface.name, hook)):
        told = f"filters at the {hook} of {interface.name} in {place.name}"
        raise Refused(GUARD, f"another fault shapes already: {told}; wait for its end, or run `chaoslab undo`")


def road_of(
    place: Place, interface: Interface, queues: list[dict[str, Any]], *, arriving: bool, unique: int, why: str
) -> Road:
    """Pin a road beside an interface's queue.

    Args:
        place: where the interface is
        interface: the one that is meant
        queues: its queues, as `tc` shows them
        arriving: whether packets are meant that come in
        unique: a number of the fault
        why: why a road is needed; '' when packets that arrive have no other way

    Raises:
        Refused: somebody's own hook stands there in a form that takes no filters of others.
        Missing: the kernel has no ifb, or one that would leave something behind.
    """
    require_ifb(why)
    hook, kind = ("ingress" if arriving else "egress"), _kind(queues)
    found = next((queue for queue in queues if queue["kind"] in _HOOKS), {})
    if kind == "ingress" and not arriving:
        raise Refused(GUARD, f"{why}; and beside it there is no way, for {interface.name} has somebody's `ingress`")
    if "ingress_block" in found or "egress_block" in found:
        told = f"the filters of {interface.name} in {place.name} are shared with other interfaces (a block)"
        raise Refused(GUARD, f"{told}; ours would hit those too; name another interface")
    ours = any(
        link.get("ifalias", "").startswith("chaoslab:") and link["ifalias"].endswith(f":{interface.index}:{_MADE}")
        for link in links_of(place)
    )
    first = _RANKS[hook].start + unique % (len(_RANKS[hook]) // _RANKS_EACH) * _RANKS_EACH
    return Road(f"clab{unique:08x}", hook, first, makes_hook=not kind or ours)


def put(data: Data, place: Place, held: int) -> None:
    """Make the device, put the tree on it, and lead the chosen packets there: the filters come last.

    Raises:
        Refused: the interface's hook is not as it was when the fault was pinned.
        ProgramFailed: the kernel says no.
    """
    road, name = data["road"], str(data["interface"])
    kind = _kind(queues_of(place, name))
    if not kind and not road["makes_hook"]:
        raise Refused(GUARD, f"somebody has removed the clsact of {name} meanwhile; run it again")
    if kind and road["makes_hook"] and not any(rank in span for span in _RANKS.values() for rank in _all(place, name)):
        raise Refused(GUARD, f"somebody has given {name} a {kind} meanwhile; run it again")
    device = str(road["device"])
    alias = ":".join(["chaoslab", road["hook"], str(data["index"]), _MADE if road["makes_hook"] else "found-clsact"])
    links = [f"link add name {device} type ifb", f"link set dev {device} alias {alias}"]
    if Path("/proc/net/if_inet6").exists():  # nobody is to speak over it of his own accord
        links.append(f"link set dev {device} addrgenmode none")
    links.append(f"link set dev {device} up")
    change(place, ["ip", "-batch", "-"], stdin="\n".join(links) + "\n", held=held)
    hook = [] if kind else [f"qdisc add dev {name} clsact"]
    lines = [*data["lines"], *hook, *road["filters"]]
    change(place, ["tc", "-batch", "-"], stdin="\n".join(lines) + "\n", held=held)


def take_away(data: Data, place: Place, held: int, names: dict[int, str]) -> None:
    """Remove our filters, let what we hold leave, and remove our device, and the hook if it is ours and nobody uses it.

    Raises:
        ProgramFailed: something of ours stands and cannot be removed.
    """
    device, name = str(data["road"]["device"]), names.get(data["index"], "")
    with batch(place, held) as tc:
        hook_is_left = bool(name) and _leave(data, tc, name)
        if device in names.values():
            show = f"qdisc show dev {device}"
            drained(data, tc.ask(show), lambda: tc.ask(show))
        tc.end(*([f"qdisc del dev {name} clsact"] if hook_is_left else []))
    if device in names.values():
        change(place, ["ip", "link", "del", "dev", device], held=held)


def _leave(data: Data, tc: Batch, name: str) -> bool:
    """Remove our filters from the interface; return whether a hook is left that is ours and serves nobody."""
    road = data["road"]
    kind, show = _kind(tc.ask(f"qdisc show dev {name}")), f"filter show dev {name}"
    if not kind or (kind == "ingress" and road["hook"] == "egress"):
        return False
    ours = range(road["first_rank"], road["first_rank"] + _RANKS_EACH)
    standing = [rank for rank in ranks_in(tc.ask(f"{show} {road['hook']}")) if rank in ours]
    gone = [f"filter del dev {name} {road['hook']} pref {rank}" for rank in standing]
    if not road["makes_hook"]:
        tc.ask(*gone, f"qdisc show dev {name}")
        return False
    return not tc.ask(*gone, f"{show} ingress") and not tc.ask(f"{show} egress")


def _kind(queues: list[dict[str, Any]]) -> str:
    """Return which hook an interface has, `clsact` or `ingress`; '' when it has none."""
    return next((str(queue["kind"]) for queue in queues if queue["kind"] in _HOOKS), "")


def _all(place: Place, name: str) -> list[int]:
    return [rank for hook in _RANKS for rank in ranks_at(place, name, hook)]
