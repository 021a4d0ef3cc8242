"""Tables of our own in nftables: loaded in one transaction, read, deleted; the kernel's own clock ends their effect."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from chaoslab.core.errors import Missing, Refused
from chaoslab.network.namespace import Gone, Place, run_in
from chaoslab.network.programs import ProgramFailed
from chaoslab.network.turns import change, turn

GUARD = "nftables"
_LIVE = "meta nfproto != @alive return"
"""The first rule of each chain: once the kernel has let the set's elements expire, the table does nothing."""


def table_name(place: Place, *what: Any) -> str:
    """Return the name of a fault's own table: the same for the same fault, so that two plans agree."""
    text = json.dumps([place.boot, place.inode, place.cookie, *what])
    return f"chaoslab_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def claim(name: str) -> str:
    """Return what a fault claims that has a table of this name, which tells its place too."""
    return f"nftables {name}"


def table(name: str, chains: Sequence[str], *, ttl_s: float) -> str:
    """Return a ruleset that makes a table, and fails when it stands already.

    Args:
        name: of the table
        chains: its chains, as `chain` returns them
        ttl_s: seconds after which the kernel takes the life from it, whoever is still there to delete it
    """
    timeout = f"timeout {max(1, round(ttl_s * 1000))}ms"
    alive = f"set alive {{ type nf_proto; flags timeout; elements = {{ ipv4 {timeout}, ipv6 {timeout} }} }}"
    comment = 'comment "a fault of chaoslab; chaoslab undo removes it"'
    return "\n".join([f"create table inet {name}", f"table inet {name} {{", comment, alive, *chains, "}", ""])


def chain(name: str, hook: str, rules: Sequence[str], *, kind: str = "filter", priority: int = -350) -> str:
    """Return a chain at a hook.

    Before connection tracking (-300, -200), so that nobody's `established accept` lets anything through; an accept of
    another table's chain never ends ours.
    """
    head = f"type {kind} hook {hook} priority {priority}; policy accept;"
    return "\n".join([f"chain {name} {{", head, _LIVE, *rules, "}"])


def load(place: Place, ruleset: str) -> None:
    """Load a ruleset as a whole, or nothing of it; an undo waits for that, even if we are killed meanwhile.

    Raises:
        Gone: the place is no more.
        ProgramFailed: the kernel does not take it.
    """
    with turn(place) as held:
        change(place, ["nft", "-f", "-"], stdin=ruleset, held=held)


def delete(place: Place, name: str) -> None:
    """Delete a table of ours; harmless when it or its place is gone.

    Raises:
        ProgramFailed: the kernel does not let it go.
    """
    try:  # made first if need be: then one transaction deletes it whether it was there or not
        with turn(place) as held:
            lines = f"add table inet {name}\ndelete table inet {name}\n"
            change(place, ["nft", "-f", "-"], stdin=lines, held=held)
    except Gone:
        return


def packets(place: Place, name: str) -> int:
    """Return how many packets the rules of a table have met; 0 when it is not there."""
    try:
        said = run_in(place, ["nft", "-j", "list", "table", "inet", name])
    except (Gone, ProgramFailed):
        return 0
    rules = [item["rule"] for item in json.loads(said)["nftables"] if "rule" in item]
    expressions = [expression for rule in rules for expression in rule["expr"]]
    return sum(int(expression["counter"]["packets"]) for expression in expressions if "counter" in expression)


class Unusable(Refused):
    """nftables does not work in a place: no program, no kernel for it, or not for these rules."""


def refuse_unless_free(place: Place, name: str, told: str, *, ruleset: str = "") -> None:
    """See that nftables works there, and that this very fault does not stand already; touch nothing.

    Args:
        place: where
        name: of the fault's table
        told: the fault for people
        ruleset: what will be loaded; the kernel looks at it and drops it

    Raises:
        Unusable: nftables does not work there.
        Refused: it stands already.
    """
    try:
        tables = run_in(place, ["nft", "list", "tables"]).split()
        if ruleset and name not in tables:
            run_in(place, ["nft", "--check", "-f", "-"], stdin=ruleset)
    except Missing as absent:
        raise Unusable(GUARD, str(absent)) from absent
    except ProgramFailed as error:
        raise Unusable(GUARD, f"nftables does not work in {place.name}: {error}") from error
    if name in tables:
        raise Refused(GUARD, f"{told} stands already in {place.name}; wait for its end, or run `chaoslab undo`")
