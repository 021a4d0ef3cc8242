"""A port blocked from within a container, by its own nft or iptables: for one whose namespace we cannot enter."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.docker.client import GUARD, NoContainer
from chaoslab.docker.inside import dismissal, run_inside, set_watch
from chaoslab.docker.target import Container
from chaoslab.network.legacy import chain_of
from chaoslab.network.legacy_rules import block_rules
from chaoslab.network.nft import table
from chaoslab.network.rules import Packets, block_chains
from chaoslab.runtime.fault import Data

_PROGRAMS = {4: "iptables", 6: "ip6tables"}
_TOOLS = """
nft list tables >/dev/null 2>&1 && echo nft && exit
iptables -w -n -L OUTPUT >/dev/null 2>&1 && echo iptables && exit
echo none
"""
_STANDS = """
nft list table inet chaoslab_{tag} >/dev/null 2>&1 && echo yes && exit
for hook in output input; do iptables -w -n -L CHAOSLAB-{tag}-$hook >/dev/null 2>&1 && echo yes && exit; done
true
"""


def pinned_inside(client: Any, container: Container, *, packets: Packets, direction: str, how: str) -> dict[str, Any]:
    """Return what a block inside a container needs, as JSON; touch nothing.

    Raises:
        Refused: the container has no shell, or neither nft nor iptables works in it.
    """
    tool, privileged = _tool(client, container)
    what = json.dumps([container.id, container.started, str(packets), direction, how])
    tag = hashlib.sha256(what.encode()).hexdigest()[:12]
    data: dict[str, Any] = {"tool": tool, "tag": tag, "privileged": privileged}
    if tool == "nft":
        data["chains"] = [text.replace("TABLE_MARK", f"0x{tag[-8:]}") for text in block_chains(packets, direction, how)]
    else:
        data["rules"] = [list(rule) for rule in block_rules(packets, direction, how)]
    if _run(client, container, data, _STANDS.format(tag=tag)) == "yes":
        told = f"{how} {packets} {direction} stands already in {container.text}"
        raise Refused(GUARD, f"{told}; wait for its end, or run `chaoslab undo`")
    return data


def put_up(client: Any, container: Container, data: Data, *, ttl_s: float) -> None:
    """Set the watchdog, and only then the rules.

    Raises:
        ChaoslabError: one of them failed; then the undo is called.
    """
    set_watch(client, container, data["tag"], _undo(data), ttl_s=ttl_s, privileged=data["privileged"])
    _run(client, container, data, _inject(data, ttl_s))


def packets_met(client: Any, container: Container, data: Data) -> int:
    """Return how many packets the rules have met."""
    if data["tool"] == "nft":
        said = _run(client, container, data, f"nft list table inet chaoslab_{data['tag']} 2>/dev/null || true")
        return sum(map(int, re.findall(r"counter packets (\d+)", said)))
    lines = [f"$t -w -nvxL {chain} 2>/dev/null || true" for chain in _chains(data).values()]
    said = _run(client, container, data, _each_family(lines))
    return sum(int(line.split()[0]) for line in said.splitlines() if re.match(r"\s*\d+\s+\d+\s", line))


def take_down(client: Any, container: Container, data: Data) -> None:
    """Take the rules away, then send the watchdog home."""
    _run(client, container, data, f"{_undo(data)}\n{dismissal(data['tag'])}")


def _tool(client: Any, container: Container) -> tuple[str, bool]:
    """Return which program works in a container, and whether it takes an exec with more rights than the container has.

    Raises:
        Refused: the container has no shell, or neither program works in it.
    """
    error = "neither nft nor iptables works in it, which takes one of them and NET_ADMIN"
    for privileged in (False, True):
        try:
            tool = run_inside(client, container, _TOOLS, privileged=privileged)
        except NoContainer:
            raise
        except ChaoslabError as failed:
            error = error if privileged else str(failed)
        else:
            if tool in {"nft", "iptables"}:
                return tool, privileged
    raise Refused(
        GUARD, f"{container.text} cannot be hit from inside: {error}; hit it from the daemon's machine, as root"
    )


def _run(client: Any, container: Container, data: Data, script: str) -> str:
    return run_inside(client, container, script, privileged=data["privileged"])


def _inject(data: Data, ttl_s: float) -> str:
    if data["tool"] == "nft":
        ruleset = table(f"chaoslab_{data['tag']}", data["chains"], ttl_s=ttl_s)
        return f"nft -f - <<'END'\n{ruleset}\nEND\n"
    chains = _chains(data)
    lines = [f"$t -w -N {chain}" for chain in chains.values()]
    for version, hook, words in data["rules"]:
        lines.append(f'[ "$t" != {_PROGRAMS[version]} ] || $t -w -A {chains[hook]} {words}')
    # Last, and before those of others: until they stand, everything passes as before.
    lines += [f"$t -w -I {hook} -j {chain}" for hook, chain in chains.items()]
    return f"set -e\n{_each_family(lines)}"


def _undo(data: Data) -> str:
    """Return a script that takes the rules away, and says so only when they are gone."""
    if data["tool"] == "nft":
        name = f"inet chaoslab_{data['tag']}"
        return f"nft -f - <<'END' || exit 1\nadd table {name}\ndelete table {name}\nEND"
    lines = []
    for hook, chain in _chains(data).items():
        lines.append(f"while $t -w -D {hook} -j {chain} 2>/dev/null; do :; done")
        lines.append(f"if $t -w -F {chain} 2>/dev/null; then $t -w -X {chain} || exit 1; fi")
    return _each_family(lines)


def _chains(data: Data) -> dict[str, str]:
    """Return our chain for each hook of iptables."""
    return {hook: chain_of(data["tag"], hook) for _, hook, _ in data["rules"]}


def _each_family(lines: Sequence[str]) -> str:
    """Return a script that does something for IP version 4, and for 6 where there is a program for it that works."""
    programs, each = " ".join(_PROGRAMS.values()), "\n".join(lines)
    return f"for t in {programs}; do\n$t -w -n -L OUTPUT >/dev/null 2>&1 || continue\n{each}\ndone"
