"""Programs of others as faults of ours: `kill`, `systemctl`, `docker`, `podman`, `toxiproxy-cli`, `stress-ng` ..."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaoslab.core.checks.commands import Command, Where
from chaoslab.core.proposal.equivalent import PODMAN, Equivalent, Unlike, in_container, size_said
from chaoslab.core.proposal.toxics import toxic
from chaoslab.core.proposal.traffic import blocked, filtered, shaped
from chaoslab.core.units import duration_text

_NUMBERS = {"9": "KILL", "15": "TERM", "19": "STOP", "1": "HUP", "2": "INT", "3": "QUIT", "6": "ABRT"}
_NAME = r"(?:[\w.@/-]|\$\{\w+\})+"
_FROM_FILE = re.compile(r"\$\(\s*(?:cat|<)\s*(\S+?)\s*\)|`cat\s+(\S+?)`")
_SIZES = {"": "B", "b": "B", "k": "KiB", "m": "MiB", "g": "GiB"}


def equivalent_of_command(command: Command) -> Equivalent:
    """Return our fault for one program as it is run.

    Raises:
        Unlike: there is none; says why, or nothing where nobody has thought of it.
    """
    try:
        words = shlex.split(command.text)
    except ValueError:
        raise Unlike("") from None
    program = words[0].rpartition("/")[2] if words else ""
    maker = _MAKERS.get(program)
    if maker is None:
        raise Unlike("")
    if command.where.elsewhere:
        raise Unlike("it acts on another machine or in a pod, where no fault of ours reaches")
    return maker([program, *words[1:]], command.where)


def _killed(words: Sequence[str], where: Where) -> Equivalent:
    text = " ".join(words)
    if " -l" in text or " -0 " in f"{text} ":
        raise Unlike("")
    found = re.fullmatch(
        r"(?P<program>kill|pkill|killall)(?: -[enxo]\b| --echo)*"
        r"(?: (?:-s ?|--signal[= ]|-)(?:SIG)?(?P<signal>[A-Z]{2,6}|\d{1,2})(?= \S))?"
        r"(?P<options>(?: -[eFfxno]\b| --echo| -u \S+)*) (?P<who>[^-\s].*)",
        text,
    )
    if found is None:
        raise Unlike("who is meant does not stand in the file")
    signal = found["signal"] or "TERM"
    signal = _NUMBERS.get(signal, signal)
    who = _who(found["program"], found["options"], found["who"])
    if where.container or where.compose:
        if who.get("pid") != 1:
            raise Unlike(
                "a process inside a container: kill its first one, or name the process by `command` or `cgroup`"
            )
        said = {**in_container(where), "signal": f"SIG{signal}"}
        return Equivalent(
            "chaoslab.docker.actions.kill", said, "container", where.container or where.compose, lasts=False
        )
    decide = "a pid changes with every start: name a pid_file, a unit or a port" if "pid" in who else ""
    address = str(next(iter(who.values())))
    if signal == "STOP":
        return Equivalent("chaoslab.process.actions.pause", who, "process", address, decide=decide)
    who = {**who, "signal": f"SIG{signal}"}
    return Equivalent("chaoslab.process.actions.kill", who, "process", address, lasts=False, decide=decide)


def _who(program: str, options: str, who: str) -> dict[str, Any]:
    """Return the arguments by which our faults find the process."""
    from_file = _FROM_FILE.fullmatch(who)
    if from_file is not None or ("-F" in options.split() and re.fullmatch(_NAME, who)):
        return {"pid_file": who if from_file is None else from_file[1] or from_file[2]}
    if program == "kill":
        named = re.fullmatch(r"\$\(\s*(?:pgrep|pidof)\s+(?:-o\s+)?([\w.-]+)\s*\)", who)
        if named is None and not who.isdecimal():
            raise Unlike("which process is meant, only a shell knows: name it by `name`, `port` or `pid_file`")
        return {"name": named[1]} if named else {"pid": int(who)}
    if "-f" in options.split():
        return {"command": who}
    user = re.search(r"-u (\S+)", options)
    if not re.fullmatch(_NAME, who):
        raise Unlike("several processes, or a pattern: name one by `command`")
    return {"name": who, **({"user": user[1]} if user else {})}


def _unit(words: Sequence[str], where: Where) -> Equivalent:
    text = " ".join(words)
    found = re.fullmatch(
        r"systemctl (?P<user>--user )?(?:--?[\w-]+ )*(?P<verb>stop|restart|try-restart|kill)"
        rf"(?: (?:-s |--signal=| --signal )(?:SIG)?(?P<signal>\w+))?(?: --[\w-]+)* (?P<unit>{_NAME})",
        text,
    ) or re.fullmatch(rf"service (?P<unit>{_NAME}) (?P<verb>stop|restart)(?P<user>)(?P<signal>)", text)
    if found is None or where != Where():
        raise Unlike("only stop, restart and kill of one unit of this machine have their like")
    unit = ("user:" if found["user"] else "") + found["unit"]
    if found["verb"] == "kill":
        signal = _NUMBERS.get(found["signal"] or "", found["signal"] or "TERM")
        if signal == "STOP":
            return Equivalent("chaoslab.process.actions.pause", {"unit": unit}, "process", unit)
        said = {"unit": unit, "signal": f"SIG{signal}"}
        return Equivalent("chaoslab.process.actions.kill", said, "process", unit, lasts=False)
    if found["verb"] == "stop":
        decide = "ours freezes it: it is found and answers nobody, where theirs refuses connections; is that meant too?"
        return Equivalent("chaoslab.process.actions.pause", {"unit": unit}, "process", unit, decide=decide)
    decide = "ours ends it and measures how soon its supervisor starts it again: the unit needs `Restart=always`"
    said = {"unit": unit, "signal": "SIGTERM"}
    return Equivalent("chaoslab.process.supervised.restart", said, "process", unit, lasts=False, decide=decide)


def _container(words: Sequence[str], where: Where) -> Equivalent:
    text = " ".join(words)
    podman = PODMAN if words[0].startswith("podman") else ""
    composed = re.fullmatch(
        rf"(?:docker|podman)[ -]compose (?:-[fp] \S+ )*(?P<verb>pause|stop|kill|restart)(?: -t \d+)? (?P<who>{_NAME})",
        text,
    )
    found = composed or re.fullmatch(
        rf"(?:docker|podman) (?:container )?(?P<verb>pause|stop|kill|restart)"
        rf"(?: (?:-s|--signal)[ =](?:SIG)?(?P<signal>\w+)| (?:-t|--time)[ =](?P<grace>\d+))? (?P<who>{_NAME})",
        text,
    )
    if found is None:
        return _joined_or_limited(text, podman)
    said = {"compose" if composed else "container": found["who"]}
    if composed is None and found["grace"] is not None:
        said["grace"] = f"{found['grace']}s"
    if composed is None and found["signal"]:
        said["signal"] = "SIG" + _NUMBERS.get(found["signal"], found["signal"])
    verb, lasts = found["verb"], found["verb"] in ("pause", "stop")
    if verb == "kill" and said.get("signal", "SIGKILL") in ("SIGSTOP", "SIGCONT"):
        raise Unlike("a container that is stopped by a signal: take `docker.actions.pause`")
    return Equivalent(f"chaoslab.docker.actions.{verb}", said, "container", found["who"], lasts=lasts, decide=podman)


def _joined_or_limited(text: str, podman: str) -> Equivalent:
    left = re.fullmatch(rf"(?:docker|podman) network disconnect (?:-f |--force )?({_NAME}) ({_NAME})", text)
    if left is not None:
        said = {"container": left[2], "network": left[1]}
        return Equivalent("chaoslab.docker.joining.disconnect", said, "container", left[2], decide=podman)
    limits = re.fullmatch(rf"(?:docker|podman) update((?: (?:--cpus|--memory|-m)[ =]\S+)+) ({_NAME})", text)
    if limits is None:
        raise Unlike("only pause, stop, kill, restart, limits and leaving a network, of one container, have their like")
    said = {"container": limits[2]}
    for key, value in re.findall(r"(--cpus|--memory|-m)[ =](\S+)", limits[1]):
        size = re.fullmatch(r"(\d+)([bkmg]?)", value.lower())
        if key == "--cpus":
            said["cpus"] = value
        elif size is not None:
            said["memory"] = size[1] + _SIZES[size[2]]
    return Equivalent("chaoslab.docker.limits.limit", said, "container", limits[2], decide=podman)


def _toxiproxy(words: Sequence[str], where: Where) -> Equivalent:
    text = " ".join(words)
    if re.search(r" toggle [\w.-]+$", text):
        return toxic("down", {}, "")
    found = re.search(r" toxic add\b", text)
    if found is None:
        raise Unlike("")
    options = text[found.end() :]
    kind = re.search(r"(?:-t|--type)[ =](\w+)", options)
    attributes: Mapping[str, Any] = {
        key: float(value) for key, value in re.findall(r"(?:-a|--attribute)[ =](\w+)=([\d.]+)", options)
    }
    toxicity = re.search(r"(?:--tox|--toxicity)[ =]([\d.]+)", options)
    stream = "upstream" if re.search(r"(?:^|\s)(-u|--upstream)\b", options) else "downstream"
    return toxic(kind[1] if kind else "", attributes, stream, toxicity=float(toxicity[1]) if toxicity else 1.0)


def _stressed(words: Sequence[str], where: Where) -> Equivalent:
    text = " ".join(words)
    cores, load = re.search(r"(?:--cpu|-c)[ =](\d+)", text), re.search(r"--cpu-load[ =](\d+)", text)
    seconds = re.search(r"(?:--timeout|-t)[ =](\d+)([smh]?)", text)
    if cores is None or seconds is None or re.search(r"--(vm|io|hdd|class|sequential|all)\b", text) or where != Where():
        raise Unlike(
            "only load of this machine's processor, for a time, has its like; for memory take `resource.memory`"
        )
    for_s = int(seconds[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[seconds[2]]
    said = {"share": f"{load[1] if load else 100}%", "cores": int(cores[1]), "ttl": duration_text(for_s + 30)}
    return Equivalent("chaoslab.resource.cpu.load", said, "host", "processor", pause_s=float(for_s))


def _filled(words: Sequence[str], where: Where) -> Equivalent:
    found = re.fullmatch(r"fallocate -l ?(\d+)([KMG]?)(?:i?B)? (\S*)/[^/]+", " ".join(words))
    if found is None or where != Where():
        raise Unlike("only `fallocate -l SIZE /FOLDER/FILE` on this machine has its like")
    size = size_said(int(found[1]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[found[2]])
    said = {"folder": found[3] or "/", "size": size}
    return Equivalent("chaoslab.resource.disk.fill", said, "folder", said["folder"])


_MAKERS: Mapping[str, Callable[[Sequence[str], Where], Equivalent]] = {
    **dict.fromkeys(("kill", "pkill", "killall"), _killed),
    **dict.fromkeys(("systemctl", "service"), _unit),
    **dict.fromkeys(("docker", "podman", "docker-compose", "podman-compose"), _container),
    **dict.fromkeys(("iptables", "ip6tables"), blocked),
    **dict.fromkeys(("stress", "stress-ng"), _stressed),
    "tc": shaped,
    "nft": filtered,
    "toxiproxy-cli": _toxiproxy,
    "fallocate": _filled,
}
