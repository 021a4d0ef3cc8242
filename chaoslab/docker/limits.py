"""The limits of a container squeezed: less processor time, less memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.core.units import format_size
from chaoslab.docker.client import GUARD, SDK, post, talking
from chaoslab.docker.frozen import cgroup_file
from chaoslab.docker.target import (
    attrs_now,
    claims_of,
    containers_of,
    data_of,
    describe,
    identity,
    must_run,
    runs_still,
    select,
)
from chaoslab.docker.watchdog import dismiss_watchdog, set_watchdog, watch_for
from chaoslab.runtime.arguments import share, size_bytes, time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned

_PERIOD_US = 100_000
_LEAST_CPUS = 0.01
_LEAST_MEMORY = 6 << 20
"""Docker takes no less."""
_UNLIMITED = (2**63 - 1) // 4096 * 4096
"""What the kernel says of memory without a limit. Docker cannot be told to take a limit away, only to set this one."""
_NO_LIMIT = -1
_NAMES = {
    "nano_cpus": "NanoCpus",
    "cpu_quota": "CpuQuota",
    "cpu_period": "CpuPeriod",
    "mem_limit": "Memory",
    "memswap_limit": "MemorySwap",
}
"""What is in the ledger, as the daemon calls it."""
_NOBODY = "chaoslab-nobody"
_ROOM = 1.1
"""What is squeezed must fit with some room, or the kernel kills it at once: that would be another fault."""


def _squeeze(data: Data) -> None:
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            must_run(client, wanted)
        requests = [(_place(one.id), _body(data["old"][one.id])) for one in containers_of(data)]
        set_watchdog(client, data, containers_of(data), requests)
        for wanted in containers_of(data):
            post(client, _place(wanted.id), _body(data["tight"]))


def _is_tight(data: Data) -> bool:
    """Ask the kernel what each may use; of a daemon elsewhere, the daemon."""
    with talking(data["docker"]) as client:
        return all(
            runs_still(attrs := attrs_now(client, wanted), wanted)
            and all(_in_force(attrs)[name] == value for name, value in data["tight"].items() if name != "memswap_limit")
            for wanted in containers_of(data)
        )


def _loosen(data: Data) -> None:
    """Put the old limits back: they stay with a container that was stopped or started anew meanwhile."""
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            attrs = attrs_now(client, wanted)
            if attrs and any(
                _configured(attrs)[name] == value for name, value in data["tight"].items() if value != _NO_LIMIT
            ):
                post(client, _place(wanted.id), _body(data["old"][wanted.id]))
        dismiss_watchdog(client, data)


def _place(number: str) -> str:
    return f"/containers/{number}/update"


def _body(limits: Mapping[str, int]) -> dict[str, int]:
    return {_NAMES[name]: value for name, value in limits.items()}


LIMIT = Fault(inject=_squeeze, effective=_is_tight, undo=_loosen, effective_within_s=15.0, loads=SDK)


@LIMIT.action
def limit(
    container: str = "",
    *,
    cpus: str = "",
    memory: str = "",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    watchdog: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Squeeze what a container may use of processors and memory, as a wrong limit or a crowded machine does.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        cpus: processors that it may use, such as `0.1` or `10%` (of one)
        memory: memory that it may use, such as `128MiB`; what it uses now must fit with a tenth to spare
        labels, compose, which, docker: which containers, and whose, as for `chaoslab.docker.actions.pause`
        watchdog: of a daemon elsewhere, as for `chaoslab.docker.actions.pause`
        ttl: how long the limits may stand without the runner's word

    Blast radius: the chosen containers. With little memory, the kernel may kill what grows beyond it.
    Undo: the limits of before, also for a container started anew. Where there was no limit of memory, Docker then
        shows the kernel's own number for *none*, 9223372036854771712, and no quota of processor time as -1.
    Effective when: the kernel's control group has the new limits; of a daemon elsewhere, when it says so.

    Raises:
        BadUsage: an argument makes no sense, or no limit is given.
        Refused: no such container, several where one was meant, a limit that is no squeeze, less memory than is in
            use, the container in which the run or the daemon lives, a daemon that does not answer, or one elsewhere at
            which no watchdog can stand.
    """
    ttl_s = time_to_live(ttl)
    quota, memory_bytes = _asked(cpus, memory)
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    tight = _tight_for_all(address, chosen, quota, memory_bytes)
    old = {str(attrs["Id"]): _old(attrs, tight) for attrs in chosen}
    told = [f"{quota / _PERIOD_US:g} CPUs"] * bool(cpus) + [format_size(memory_bytes)] * bool(memory)
    data = data_of(address, chosen) | {"tight": tight, "old": old, "ttl_s": ttl_s}
    data["watch"] = watch_for(address, chosen, watchdog, what="limit")
    return Pinned(f"{' and '.join(told)} for {describe(chosen)}", data, ttl_s, claims_of(chosen, "limits"))


def _asked(cpus: str, memory: str) -> tuple[int, int]:
    """Return processor time for a period, in microseconds, and memory, in bytes; 0 where nothing is said.

    Raises:
        BadUsage: nothing at all is said, or it makes no sense.
    """
    if not cpus and not memory:
        raise BadUsage("say what is squeezed: give cpus or memory")
    memory_bytes = size_bytes("memory", memory) if memory else 0
    if memory and memory_bytes < _LEAST_MEMORY:
        raise BadUsage(f"memory: must be at least {format_size(_LEAST_MEMORY)}")
    return _quota(cpus) if cpus else 0, memory_bytes


def _tight_for_all(address: str, chosen: Sequence[Any], quota: int, memory_bytes: int) -> dict[str, int]:
    """Return what the daemon is told for each.

    Raises:
        Refused: it is no squeeze for one, too little for what it uses, or they would have to be told different things.
    """
    several = [_tight(attrs, quota, memory_bytes) for attrs in chosen]
    if any(one != several[0] for one in several):
        raise Refused(GUARD, f"{describe(chosen)} are limited in different ways; squeeze them one by one")
    with talking(address) as client:
        _refuse_unable(client)
        for attrs in chosen if memory_bytes else ():
            _refuse_too_little(client, attrs, memory_bytes)
    return several[0]


def _refuse_unable(client: Any) -> None:
    """Refuse a daemon that has no words for new limits, as Podman 4 has none: asked about nobody, it must miss him.

    Raises:
        Refused: it does not know the request.
    """
    from docker.errors import APIError

    try:
        post(client, _place(_NOBODY), {})
    except APIError as error:
        if "no such container" not in str(error.explanation).lower():
            told = "this daemon cannot change the limits of a container that runs (Podman before version 5 cannot)"
            raise Refused(GUARD, told) from error


def _quota(cpus: str) -> int:
    """Return processor time for a period, in microseconds.

    Raises:
        BadUsage: it is no number of processors.
    """
    text = str(cpus)
    if text.endswith("%"):
        number = share("cpus", text)
    elif re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text, re.ASCII):
        number = float(text)
    else:
        raise BadUsage(f"cpus: {cpus!r} is no number of processors; write 0.1 or 10%")
    if number < _LEAST_CPUS:
        raise BadUsage(f"cpus: must be at least {_LEAST_CPUS:g}: with less it stands still, for which there is pause")
    return round(number * _PERIOD_US)


def _tight(attrs: Mapping[str, Any], quota: int, memory_bytes: int) -> dict[str, int]:
    """Return what the daemon is told; a container made with --cpus takes its limit in billionths only.

    Raises:
        Refused: a limit of before is as tight.
    """
    config, tight = attrs["HostConfig"], dict[str, int]()
    if quota:
        if 0 < _configured_quota(config) <= quota:
            told = f"{identity(attrs).text} may use no more than {_configured_quota(config) / _PERIOD_US:g} CPUs anyway"
            raise Refused(GUARD, told)
        by_nano = bool(config["NanoCpus"])
        tight |= {"nano_cpus": quota * 10_000} if by_nano else {"cpu_quota": quota, "cpu_period": _PERIOD_US}
    if memory_bytes:
        if 0 < config["Memory"] <= memory_bytes:
            told = f"{identity(attrs).text} may use no more than {format_size(config['Memory'])} anyway"
            raise Refused(GUARD, told)
        tight |= {"mem_limit": memory_bytes}
        if config["MemorySwap"] <= 0:
            tight |= {"memswap_limit": _NO_LIMIT}  # Docker wants to hear of it; the kernel is told nothing
    return tight


def _configured_quota(config: Mapping[str, Any]) -> float:
    """Return the processor time that a container has in a period of ours, in microseconds; 0: as much as it likes."""
    if config["NanoCpus"]:
        return float(config["NanoCpus"]) / 10_000
    if config["CpuQuota"] <= 0:
        return 0.0
    return float(config["CpuQuota"]) * _PERIOD_US / (config["CpuPeriod"] or _PERIOD_US)


def _old(attrs: Mapping[str, Any], tight: Mapping[str, int]) -> dict[str, int]:
    """Return what the daemon is to be told afterwards; for it 0 means *as it is*, so *none* has other words."""
    found = _configured(attrs)
    none = {"cpu_quota": -1, "cpu_period": _PERIOD_US, "mem_limit": _UNLIMITED, "memswap_limit": _NO_LIMIT}
    return {name: found[name] or none[name] for name in tight}


def _configured(attrs: Mapping[str, Any]) -> dict[str, int]:
    config = attrs["HostConfig"]
    return {name: int(config[theirs] or 0) for name, theirs in _NAMES.items()}


def _in_force(attrs: Mapping[str, Any]) -> dict[str, int]:
    """Return the limits that the kernel holds a container to; of one elsewhere, those that its daemon knows."""
    found, container = _configured(attrs), identity(attrs)
    memory = cgroup_file(container, "memory", "memory.limit_in_bytes", "memory.max")
    words = cgroup_file(container, "cpu", "cpu.max").split()
    if not words:
        words = [cgroup_file(container, "cpu", f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    if memory.isdigit():
        found["mem_limit"] = int(memory)
    if all(word.isdigit() for word in words):
        quota, period = map(int, words)
        found |= {"cpu_quota": quota, "cpu_period": period, "nano_cpus": quota * 1_000_000_000 // period}
    return found


def _refuse_too_little(client: Any, attrs: Mapping[str, Any], memory_bytes: int) -> None:
    """Refuse less memory than a container uses, its cache of files left out.

    Raises:
        Refused: it would be killed at once.
    """
    told = client.api.stats(attrs["Id"], stream=False, one_shot=True)["memory_stats"]
    cache = told.get("stats", {}).get("total_inactive_file", told.get("stats", {}).get("inactive_file", 0))
    used = int(told.get("usage", 0)) - int(cache)
    if used * _ROOM > memory_bytes:
        raise Refused(
            GUARD,
            f"{identity(attrs).text} uses {format_size(used)} of memory: with {format_size(memory_bytes)} the kernel "
            "would kill it at once; for that there is kill",
        )
