"""Steps of others for which we have a fault that does the same: the step as we would write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from chaoslab.core.checks.view import Step
from chaoslab.core.units import duration_text


class Equivalent(NamedTuple):
    """A fault of ours in place of a step."""

    function: str
    arguments: Mapping[str, Any]
    kind: str
    """What is hit: the kind of the target."""
    address: str
    lasts: bool = True
    """Whether there is something to undo."""
    decide: str = ""
    """What a person must look at."""
    configuration: Mapping[str, str] = {}
    """Values that the file needs for it."""


_PROXY = {"proxy": "lab:proxy.control"}
_OTHER_PROXY = "the service must reach this through chaoslab's proxy, in place of Toxiproxy: set `proxy`"


def equivalent_of(step: Step) -> Equivalent | None:
    """Return our fault in place of a step; None where there is none, or its arguments are more than ours can say."""
    if step.function:
        maker = _FUNCTIONS.get(step.function)
        return maker(step.arguments) if maker else None
    for pattern, program in _PROGRAMS:
        match = pattern.fullmatch(step.command)
        if match is not None:
            return program(match)
    return None


def _proxied(function: str, arguments: Mapping[str, Any]) -> Equivalent:
    said = {"proxy": "${proxy}", **arguments}
    name = f"chaoslab.network.actions.{function}"
    return Equivalent(name, said, "proxy", "${proxy}", decide=_OTHER_PROXY, configuration=_PROXY)


def _latency(arguments: Mapping[str, Any]) -> Equivalent | None:
    latency, jitter = arguments.get("latency"), arguments.get("jitter", 0)
    if not _is_number(latency) or not _is_number(jitter):
        return None
    said = {"latency": f"{latency}ms"} | ({"jitter": f"{jitter}ms"} if jitter else {})
    return _proxied("delay_tcp", said)


def _bandwidth(arguments: Mapping[str, Any]) -> Equivalent | None:
    rate = arguments.get("rate")
    return _proxied("throttle_tcp", {"rate": f"{rate}KiB"}) if _is_number(rate) and rate else None


def _silence(arguments: Mapping[str, Any]) -> Equivalent:
    return _proxied("blackhole_tcp", {})


def _down(arguments: Mapping[str, Any]) -> Equivalent:
    return _proxied("reset_tcp", {})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FUNCTIONS: Mapping[str, Callable[[Mapping[str, Any]], Equivalent | None]] = {
    "chaostoxi.toxic.actions.create_latency_toxic": _latency,
    "chaostoxi.toxic.actions.create_bandwith_degradation_toxic": _bandwidth,
    "chaostoxi.toxic.actions.create_timeout_toxic": _silence,
    "chaostoxi.proxy.actions.disable_proxy": _down,
}


def _signal(match: re.Match[str]) -> Equivalent:
    signal = (match["signal"] or "TERM").removeprefix("SIG")
    signal = {"9": "KILL", "15": "TERM", "19": "STOP", "1": "HUP", "2": "INT"}.get(signal, signal)
    who: dict[str, Any] = {"pid": int(match["who"])} if match["who"].isdecimal() else {"name": match["who"]}
    address = match["who"]
    decide = "a pid changes with every start: name a pid_file, a unit or a port" if "pid" in who else ""
    if signal == "STOP":
        return Equivalent("chaoslab.process.actions.pause", who, "process", address, decide=decide)
    said = {**who, "signal": f"SIG{signal}"}
    return Equivalent("chaoslab.process.actions.kill", said, "process", address, lasts=False, decide=decide)


def _container(match: re.Match[str]) -> Equivalent:
    function = f"chaoslab.docker.actions.{match['verb']}"
    return Equivalent(
        function, {"container": match["who"]}, "container", match["who"], lasts=match["verb"] in ("pause", "stop")
    )


def _delay(match: re.Match[str]) -> Equivalent:
    said = {"interface": match["device"], "latency": match["latency"]}
    said |= {"jitter": match["jitter"]} if match["jitter"] else {}
    decide = "everything on the interface is late; narrow it with `ports` and `peers`"
    return Equivalent("chaoslab.network.shaping.delay", said, "interface", match["device"], decide=decide)


def _loss(match: re.Match[str]) -> Equivalent:
    said = {"interface": match["device"], "share": match["share"]}
    decide = "the whole interface loses packets; narrow it with `ports` and `peers`"
    return Equivalent("chaoslab.network.shaping.lose", said, "interface", match["device"], decide=decide)


def _blocked(match: re.Match[str]) -> Equivalent:
    said = {
        "port": match["port"],
        "direction": "out" if match["chain"] == "OUTPUT" else "in",
        "how": match["how"].lower(),
    }
    return Equivalent("chaoslab.network.firewall.block_port", said, "port", match["port"])


_SUDO = r"(?:\S*/)?(?:sudo\s+)?(?:\S*/)?"
_PROGRAMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Equivalent]], ...] = (
    (re.compile(_SUDO + r"kill\s+(?:-(?:s\s+)?(?P<signal>[A-Z]+|\d+)\s+)?(?P<who>\d+)"), _signal),
    (re.compile(_SUDO + r"(?:pkill|killall)\s+(?:-(?:s\s+)?(?P<signal>[A-Z]+|\d+)\s+)?(?P<who>[\w.-]+)"), _signal),
    (re.compile(_SUDO + r"docker\s+(?P<verb>pause|kill|stop|restart)\s+(?P<who>[\w.-]+)"), _container),
    (
        re.compile(
            _SUDO + r"tc\s+qdisc\s+add\s+dev\s+(?P<device>[\w.-]+)\s+root\s+netem\s+delay\s+(?P<latency>\d+ms)"
            r"(?:\s+(?P<jitter>\d+ms))?"
        ),
        _delay,
    ),
    (
        re.compile(_SUDO + r"tc\s+qdisc\s+add\s+dev\s+(?P<device>[\w.-]+)\s+root\s+netem\s+loss\s+(?P<share>[\d.]+%)"),
        _loss,
    ),
    (
        re.compile(
            _SUDO + r"iptables\s+-[AI]\s+(?P<chain>OUTPUT|INPUT)\s+-p\s+tcp\s+--dport\s+(?P<port>\d+)"
            r"\s+-j\s+(?P<how>DROP|REJECT)"
        ),
        _blocked,
    ),
)


def time_to_live(pauses_s: float) -> str:
    """Return how long a fault may stand without the runner's word: amply longer than it is meant to."""
    return duration_text(max(60, round(pauses_s * 2 + 30)))
