"""`tc`, `iptables` and `nft` of others as faults of ours: on this host, in a namespace, in a container."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from chaoslab.core.checks.commands import Where
from chaoslab.core.proposal.equivalent import Equivalent, Unlike, in_container, in_namespace, size_said
from chaoslab.core.units import duration_text

_SHAPING = "chaoslab.network.shaping."
_TIMES = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "msecs": 1e-3,
    "us": 1e-6,
    "usec": 1e-6,
    "": 1e-6,
}
_BITS = {"k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30, "": 1}
_NOT_SHARED = ("lose", "duplicate", "corrupt", "reorder")
_FUNCTIONS = {
    "loss": "lose",
    "duplicate": "duplicate",
    "corrupt": "corrupt",
    "reorder": "reorder",
    "rate": "limit_rate",
}
_NFT_CHAIN = re.compile(r"(?:^|[_-])(out|in)(?:put|bound|going|coming)?(?:$|[_-])")
_CHAINS = {"OUTPUT": "out", "INPUT": "in"}
_WITH_VALUE = {"-p": "protocol", "--protocol": "protocol", "-d": "to", "--destination": "to", "-s": "from"}
_WITH_VALUE |= {"--source": "from", "-j": "verdict", "--jump": "verdict", "--uid-owner": "user"}
_WITH_VALUE |= dict.fromkeys(("--dport", "--dports", "--destination-port", "--destination-ports"), "port")
_WITHOUT_MEANING = ("-m", "--match", "--reject-with", "--comment", "-t", "--table")
_MODULES = ("tcp", "udp", "multiport", "comment", "owner", "filter")


def shaped(words: Sequence[str], where: Where) -> Equivalent:
    """Return our fault for `tc qdisc add dev IF root ...`.

    Raises:
        Unlike: there is none.
    """
    found = re.match(r"qdisc (?:add|replace) dev (\S+) root (?:handle \S+ )?(netem|tbf) (.+)", " ".join(words[1:]))
    if found is None:
        raise Unlike("only a queue at the root of an interface, netem or tbf, has its like")
    interface, queue, rest = found[1], found[2], found[3].split()
    function, said = _netem(rest) if queue == "netem" else ("limit_rate", {"rate": _rate(_after(rest, "rate"))})
    if where.container or where.compose:
        if function in _NOT_SHARED:
            raise Unlike(f"in a container we delay and limit; take `network.shaping.{function}` with its `pid`")
        arguments = {**in_container(where), **said, **({"interface": interface} if interface != "eth0" else {})}
        return Equivalent(
            f"chaoslab.docker.network.{function}", arguments, "container", where.container or where.compose
        )
    decide = "all packets of the interface are meant: narrow it with `ports` and `peers`, or say `whole_interface`"
    arguments = {"interface": interface, **said, **in_namespace(where)}
    return Equivalent(_SHAPING + function, arguments, "interface", interface, decide=decide)


def _netem(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the action and its arguments for what stands behind `netem`."""
    parts: dict[str, list[str]] = {}
    for word in words:
        if word in ("delay", "loss", "duplicate", "corrupt", "reorder", "rate", "limit", "distribution", "gap"):
            parts[word] = []
        elif not parts:
            raise Unlike(f"netem's `{word}` has no like")
        else:
            list(parts.values())[-1].append(word)
    meant = [name for name in parts if name not in ("limit", "distribution", "gap")]
    if sorted(meant) == ["delay", "reorder"]:
        gap = {"gap": int(parts["gap"][0])} if parts.get("gap") else {}
        return "reorder", {**_share(parts["reorder"]), "latency": _time(parts["delay"][0]), **gap}
    if len(meant) != 1:
        raise Unlike("several disturbances at once: ours come one a step, on one interface one at a time")
    name, values = meant[0], parts[meant[0]]
    if not values:
        raise Unlike(f"`{name}` without a value")
    if name == "rate":
        return "limit_rate", {"rate": _rate(values[0])}
    if name != "delay":
        return _FUNCTIONS[name], _share(values[1:] if values[0] == "random" else values)
    said = {"latency": _time(values[0])}
    said |= {"jitter": _time(values[1])} if len(values) > 1 else {}
    said |= {"correlation": values[2]} if len(values) > 2 else {}
    return "delay", said | ({"distribution": parts["distribution"][0]} if parts.get("distribution") else {})


def _share(values: Sequence[str]) -> dict[str, str]:
    if not values or not re.fullmatch(r"[\d.]+%", values[0]):
        raise Unlike(f"netem's `{' '.join(values)}` is no share: write it as one, or `gemodel`, by hand")
    return {"share": values[0]} | ({"correlation": values[1]} if len(values) > 1 else {})


def _time(text: str) -> str:
    found = re.fullmatch(r"([\d.]+)([a-z]*)", text)
    if found is None or found[2] not in _TIMES:
        raise Unlike(f"`{text}` is no time that stands in the file")
    return duration_text(float(found[1]) * _TIMES[found[2]])


def _rate(text: str) -> str:
    """Return what `tc` calls a rate in bytes a second."""
    found = re.fullmatch(r"([\d.]+)([kmg]i?)?(bit|bps)?", text.lower())
    if found is None:
        raise Unlike(f"`{text}` is no rate that stands in the file")
    bits = float(found[1]) * _BITS[found[2] or ""] * (8 if found[3] == "bps" else 1)
    return size_said(round(bits / 8))


def _after(words: Sequence[str], word: str) -> str:
    if word not in words[:-1]:
        raise Unlike(f"`{word}` is missing")
    return words[words.index(word) + 1]


def blocked(words: Sequence[str], where: Where) -> Equivalent:
    """Return our fault for `iptables -A CHAIN ...`.

    Raises:
        Unlike: there is none.
    """
    rest = [word for word in words[1:] if word not in ("-w", "--wait")]
    said: dict[str, str] = {}
    index = 0
    while index < len(rest):
        word, value = rest[index], rest[index + 1] if index + 1 < len(rest) else ""
        index += 2
        if word in ("-A", "-I", "--append", "--insert"):
            said["chain"] = value
            index += 1 if rest[index : index + 1] and rest[index].isdecimal() else 0
        elif word in _WITH_VALUE:
            said[_WITH_VALUE[word]] = value
        elif word not in _WITHOUT_MEANING or (word in ("-m", "--match", "-t", "--table") and value not in _MODULES):
            raise Unlike(f"the rule's `{word} {value}` has no like".replace(" `` ", " "))
    if said.get("chain") not in _CHAINS:
        raise Unlike(f"our rules stand where packets leave or arrive, not in {said.get('chain', 'no chain')}")
    if said.get("verdict") not in ("DROP", "REJECT"):
        raise Unlike(f"our rules drop or reject, and do not {said.get('verdict', 'do nothing')}")
    return _rule(said, _CHAINS[said["chain"]], said["verdict"].lower(), where)


def filtered(words: Sequence[str], where: Where) -> Equivalent:
    """Return our fault for `nft add rule ...`.

    Raises:
        Unlike: there is none.
    """
    text = " ".join(words)
    found = re.search(r"(?:add|insert) rule (?:(?:ip6?|inet) )?\S+ (\S+) (.+)", text)
    if found is None:
        raise Unlike("only `nft add rule` and `insert rule` have their like; what a file holds, nobody has read here")
    chain = _NFT_CHAIN.search(found[1].lower())
    if chain is None:
        raise Unlike(f"whether {found[1]} is a chain of what leaves or of what arrives, its name does not say")
    said: dict[str, str] = {}
    for key, pattern in (
        ("port", r"(tcp|udp) dport (\{[^}]*\}|\S+)"),
        ("to", r"(ip6?) daddr (\S+)"),
        ("from", r"(ip6?) saddr (\S+)"),
    ):
        if (match := re.search(pattern, found[2])) is not None:
            said[key] = match[2].strip("{} ").replace(", ", ",")
            said |= {"protocol": match[1]} if key == "port" else {}
    verdict = re.search(r"\b(drop|reject)\b", found[2])
    if verdict is None:
        raise Unlike("our rules drop or reject")
    return _rule(said, chain[1], verdict[1], where)


def _rule(said: dict[str, str], way: str, how: str, where: Where) -> Equivalent:
    peers, other = (said.get("to"), said.get("from")) if way == "out" else (said.get("from"), said.get("to"))
    if other:
        raise Unlike(f"our rules go by the peer's address, not by this side's {other}")
    inside = bool(where.container or where.compose)
    if "port" not in said:
        if not peers or inside or "protocol" in said or "user" in said:
            raise Unlike("without a port and an address it cuts off everything: name one")
        left, right = ("here", peers) if way == "out" else (peers, "here")
        arguments = {"left": left, "right": right, "one_way": "yes", **in_namespace(where)}
        return Equivalent("chaoslab.network.firewall.partition", arguments, "host", peers)
    if said.get("protocol") not in ("tcp", "udp"):
        raise Unlike("a port needs a protocol, tcp or udp")
    port = said["port"].replace(":", "-")
    arguments = {"port": port, "direction": way, "how": how}
    arguments |= {"protocol": said["protocol"]} if said["protocol"] != "tcp" else {}
    arguments |= {"peers": peers} if peers else {}
    if inside:
        arguments = {**in_container(where), **arguments}
        return Equivalent(
            "chaoslab.docker.network.block_port", arguments, "container", where.container or where.compose
        )
    arguments |= {"user": said["user"]} if "user" in said else {}
    return Equivalent("chaoslab.network.firewall.block_port", {**arguments, **in_namespace(where)}, "port", port)
