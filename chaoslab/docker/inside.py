"""The platform's own way: programs of the container itself, by `docker exec`, with a watchdog on the spot.

For daemons elsewhere, whose namespaces we cannot enter. The watchdog is a shell in the container that undoes when the
time-to-live is over, even if the run, its reaper, this machine and the connection to the daemon are gone by then.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.docker.client import GUARD, NoContainer
from chaoslab.docker.target import Container
from chaoslab.network.nft import table
from chaoslab.network.rules import Packets, block_chains
from chaoslab.runtime.fault import Data

_TOOLS = """
nft list tables >/dev/null 2>&1 && echo nft && exit
iptables -w -n -L OUTPUT >/dev/null 2>&1 && echo iptables && exit
echo none
"""
_STANDS = """
nft list table inet chaoslab_{tag} >/dev/null 2>&1 || iptables -w -n -L CHAOSLAB-{tag} >/dev/null 2>&1 && echo yes
true
"""
_WATCH = """: chaoslab-watch-{tag}
n={lasts}; while [ "$n" -gt 0 ]; do sleep 1; n=$((n - 1)); done
{undo}
"""
_DISMISS = """
t=chaoslab-watch
for p in /proc/[0-9]*; do
  l=; read -r l <"$p/cmdline" 2>/dev/null
  case $l in *"$t-{tag}"*) kill "${{p#/proc/}}" 2>/dev/null ;; esac
done
"""
_GRACE_S = 1
"""The watchdog comes after the reaper: while that lives, it is the one that undoes."""


def run_inside(client: Any, container: Container, script: str, *, privileged: bool = False) -> str:
    """Run a shell script in a container as its root, with all rights if `privileged`; return what it printed.

    Raises:
        ChaoslabError: it failed, or the container has no shell; with its last line.
    """
    made = client.api.exec_create(container.id, ["sh", "-c", script], user="0", privileged=privileged)
    output = client.api.exec_start(made["Id"])
    code = client.api.exec_inspect(made["Id"])["ExitCode"]
    said = output.decode(errors="replace").strip()
    if code:
        raise ChaoslabError(f"{container.text}: a command inside ended with {code}: {said.rpartition(chr(10))[2]}")
    return str(said)


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
        data["rules"] = [list(rule) for rule in _iptables_rules(packets, direction, how, f"CHAOSLAB-{tag}")]
        data["hooks"] = [hook for way, hook in (("out", "OUTPUT"), ("in", "INPUT")) if direction in (way, "both")]
    if _run(client, container, data, _STANDS.format(tag=tag)) == "yes":
        raise Refused(
            GUARD,
            f"{how} {packets} {direction} stands already in {container.text}; wait for its end, or run `chaoslab undo`",
        )
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
    chain = f"CHAOSLAB-{data['tag']}"
    said = _run(client, container, data, _each_family(f"$t -w -nvxL {chain} 2>/dev/null || true"))
    return sum(int(line.split()[0]) for line in said.splitlines() if re.match(r"\s*\d+\s+\d+\s", line))


def take_down(client: Any, container: Container, data: Data) -> None:
    """Take the rules away, then send the watchdog home."""
    _run(client, container, data, f"{_undo(data)}\n{dismissal(data['tag'])}")


def set_watch(
    client: Any, container: Container, tag: str, undo: str, *, ttl_s: float, privileged: bool = False
) -> None:
    """Have a shell in a container run a script when the time-to-live is over, whoever is still there by then.

    Args:
        client: of the daemon
        container: where
        tag: by which `dismissal` finds it
        undo: the script
        ttl_s: seconds; the watchdog comes a moment later than the reaper
        privileged: whether the script needs more rights than the container has
    """
    words = ["sh", "-c", _WATCH.format(tag=tag, lasts=math.ceil(ttl_s) + _GRACE_S, undo=undo)]
    asked = {"user": "0", "privileged": privileged, "stdout": False, "stderr": False}
    made = client.api.exec_create(container.id, words, **asked)
    client.api.exec_start(made["Id"], detach=True)


def dismissal(tag: str) -> str:
    """Return a script that sends a watchdog home."""
    return f"{_DISMISS.format(tag=tag)}\ntrue"


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
    chain = f"CHAOSLAB-{data['tag']}"
    lines = [f"$t -w -N {chain}"]
    lines += [f'[ "$t" = {family} ] && $t -w {rule} || [ "$t" != {family} ]' for family, rule in data["rules"]]
    lines += [f"$t -w -I {hook} -j {chain}" for hook in data["hooks"]]
    return f"set -e\n{_each_family(chr(10).join(lines))}"


def _undo(data: Data) -> str:
    """Return a script that takes the rules away, and says so only when they are gone."""
    if data["tool"] == "nft":
        name = f"inet chaoslab_{data['tag']}"
        return f"nft -f - <<'END' || exit 1\nadd table {name}\ndelete table {name}\nEND"
    chain = f"CHAOSLAB-{data['tag']}"
    lines = [f"while $t -w -D {hook} -j {chain} 2>/dev/null; do :; done" for hook in data["hooks"]]
    lines += [f"if $t -w -F {chain} 2>/dev/null; then $t -w -X {chain} || exit 1; fi"]
    return _each_family("\n".join(lines))


def _each_family(lines: str) -> str:
    """Return a script that does something for IP version 4, and for 6 where there is a program for it that works."""
    return f"for t in iptables ip6tables; do\n$t -w -n -L OUTPUT >/dev/null 2>&1 || continue\n{lines}\ndone"


def _iptables_rules(packets: Packets, direction: str, how: str, chain: str) -> Iterator[tuple[str, str]]:
    """Yield the rules with the program whose they are."""
    for version, family in ((4, "iptables"), (6, "ip6tables")):
        networks = [str(network) for network in packets.peers.networks if network.version == version]
        if packets.peers.networks and not networks:
            continue
        for protocol in packets.protocols:
            for first, last in packets.ports.ranges:
                for peer in networks or [""]:
                    yield family, _iptables_rule(protocol, (first, last), peer, direction, how, chain)


def _iptables_rule(protocol: str, ports: Sequence[int], peer: str, direction: str, how: str, chain: str) -> str:
    target = "DROP"
    if how == "reject":
        target = "REJECT --reject-with tcp-reset" if protocol == "tcp" else "REJECT"
    side = f" {'-s' if direction == 'in' else '-d'} {peer}" if peer else ""
    return f"-A {chain} -p {protocol} --dport {ports[0]}:{ports[1]}{side} -j {target}"
