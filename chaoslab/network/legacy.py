"""Chains of our own in iptables-legacy, for hosts whose kernel or installation has no nftables.

Each family's rules are loaded in one transaction of the kernel. They have no clock: the reaper alone ends them in time.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Missing
from chaoslab.network.kernel import has_module
from chaoslab.network.legacy_rules import Rule
from chaoslab.network.namespace import Gone, Place, run_in
from chaoslab.network.programs import find
from chaoslab.network.turns import change, turn
from chaoslab.runtime.fault import Data

GUARD = "iptables"
_KERNEL = {4: ("iptable_filter", "CONFIG_IP_NF_FILTER"), 6: ("ip6table_filter", "CONFIG_IP6_NF_FILTER")}
_PROGRAMS = {4: "iptables-legacy", 6: "ip6tables-legacy"}
_WAIT = ("-w", "5")
"""Seconds for the lock that all iptables share."""


def families() -> list[int]:
    """Return the IP versions whose rules can be put up here; none where iptables-legacy does not work."""
    found = [family for family, (module, option) in _KERNEL.items() if has_module(module, option)]
    if not Path("/proc/net/if_inet6").exists():
        found = [family for family in found if family == 4]
    try:
        for family in found:
            find(f"{_PROGRAMS[family]}-restore")
            find(f"{_PROGRAMS[family]}-save")
    except Missing:
        return []
    return found if 4 in found else []


def chain_of(tag: str, hook: str) -> str:
    """Return the name of a fault's chain at a hook."""
    return f"CHAOSLAB-{tag}-{hook.lower()}"


def stands(place: Place, tag: str) -> bool:
    """Say whether a fault of this tag stands in a place."""
    return any(f":CHAOSLAB-{tag}-" in _saved(place, family) for family in families())


def pinned(rules: Sequence[Rule], tag: str) -> dict[str, Any]:
    """Return, as data for the ledger, what each family's `iptables-restore` will be told."""
    told: dict[str, list[str]] = {}
    for family in families():
        chosen = [(hook, words) for version, hook, words in rules if version == family]
        hooks = list(dict.fromkeys(hook for hook, _ in chosen))
        if chosen:
            told[str(family)] = [
                "*filter",
                *(f":{chain_of(tag, hook)} - [0:0]" for hook in hooks),
                *(f"-A {chain_of(tag, hook)} {words}" for hook, words in chosen),
                # Last, and before those of others: until they stand, everything passes as before.
                *(f"-I {hook} 1 -j {chain_of(tag, hook)}" for hook in hooks),
                "COMMIT",
            ]
    return {"tag": tag, "families": told}


def put(place: Place, legacy: Data) -> None:
    """Load the rules.

    Raises:
        Gone: the place is no more.
        ProgramFailed: the kernel does not take them.
    """
    with turn(place) as held:
        for family, lines in legacy["families"].items():
            _restore(place, int(family), lines, held)


def take_away(place: Place, legacy: Data) -> None:
    """Remove our chains and what leads into them; harmless when they or their place are gone.

    Raises:
        ProgramFailed: the kernel does not let them go.
    """
    ours = re.compile(rf"CHAOSLAB-{legacy['tag']}-\w+")
    try:
        with turn(place) as held:
            for family in map(int, legacy["families"]):
                lines = _saved(place, family).splitlines()
                chains = [
                    line.split()[0].removeprefix(":") for line in lines if line.startswith(":") and ours.search(line)
                ]
                jumps = [line for line in lines if re.search(rf"-j {ours.pattern}$", line)]
                if chains:
                    told = [f"-D {line.removeprefix('-A ')}" for line in jumps]
                    told += [f"{order} {chain}" for order in ("-F", "-X") for chain in chains]
                    _restore(place, family, ["*filter", *told, "COMMIT"], held)
    except Gone:
        return


def packets(place: Place, legacy: Data) -> int:
    """Return how many packets our rules have met."""
    rule = re.compile(rf"^\[(\d+):\d+\] -A CHAOSLAB-{legacy['tag']}-", re.MULTILINE)
    try:
        saved = [_saved(place, int(family), "-c") for family in legacy["families"]]
    except Gone:
        return 0
    return sum(int(count) for text in saved for count in rule.findall(text))


def _saved(place: Place, family: int, *options: str) -> str:
    """Return all rules of a family; without naming a table, for naming one makes it."""
    return run_in(place, [f"{_PROGRAMS[family]}-save", *options])


def _restore(place: Place, family: int, lines: Sequence[str], held: int) -> None:
    argv = [f"{_PROGRAMS[family]}-restore", "--noflush", *_WAIT]
    change(place, argv, stdin="\n".join(lines) + "\n", held=held)
