"""The processor is kept busy: workers of ours compute, and nothing else.

    python -m chaoslab.resource.cpu     is the holder, with its order on stdin

The holder forks one worker a core. The kernel kills them when the holder ends, however it ends, and each one ends by
itself when the time is over.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from chaoslab.core.errors import Refused
from chaoslab.core.units import format_share
from chaoslab.runtime.arguments import count, share_above_zero, time_to_live
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold, hold
from chaoslab.runtime.parent import end_with

NAME = "resource.cpu.load"
_READY_WITHIN_S = 15.0
_PERIOD_S = 0.05
"""Within each of these a worker computes for its share and rests for the remainder."""
_WATCHED_S = 0.4
_ENOUGH = 0.5
"""What part of the asked load must be seen: whatever else runs here takes its own part of the processor."""
_CALM, _NICEST = 0, 19


def _load(data: Data) -> dict[str, Any]:
    place = Hold(data["hold"])
    order = {"share": data["share"], "cores": data["cores"], "nice": data["nice"]}
    told = place.start("chaoslab.resource.cpu", order, ttl_s=data["ttl_s"], ready_within_s=_READY_WITHIN_S)
    place.write(workers=told["workers"])
    return {"workers": told["workers"]}


def _is_busy(data: Data) -> bool:
    """Ask the kernel how much of the processor our workers have had in the last moment."""
    known = Hold(data["hold"]).read() or {}
    if not known.get("workers") or not Hold(data["hold"]).is_alive():
        return False
    begin_s, before_s = CLOCK.mono(), sum(map(_used_s, known["workers"]))
    CLOCK.sleep(_WATCHED_S)
    used_s, took_s = sum(map(_used_s, known["workers"])) - before_s, CLOCK.mono() - begin_s
    return bool(used_s >= _ENOUGH * data["share"] * data["cores"] * took_s)


def _rest(data: Data) -> None:
    place = Hold(data["hold"])
    place.end()
    place.remove()


LOAD = Fault(inject=_load, effective=_is_busy, undo=_rest, effective_within_s=10.0)


@LOAD.action
def load(share: str = "80%", cores: int = 0, nice: int = 0, ttl: str = "60s") -> Pinned:
    """Keep a share of the processor busy.

    Args:
        share: of each core, such as 80%
        cores: how many, at most those that this process may use; 0 for all of them
        nice: 0, to be as important as everybody, up to 19, to step back for whoever else wants to compute
        ttl: how long it may last without the runner's word

    Blast radius: whoever computes on this machine, or in the cgroup that the run is in.
    Undo: the workers are killed; they also end by themselves when the time is over.
    Effective when: the kernel counts at least half of the asked time for the workers.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: there are not so many cores, or this very load is on already.
    """
    part, ttl_s = share_above_zero("share", share), time_to_live(ttl)
    usable = len(os.sched_getaffinity(0))
    wanted = count("cores", cores, at_least=0, at_most=1 << 16) or usable
    if wanted > usable:
        raise Refused("resource", f"{wanted} cores are asked for, and this process may use {usable}")
    calm = count("nice", nice, at_least=_CALM, at_most=_NICEST)
    target = f"{format_share(part)} of {wanted} core{'s' * (wanted > 1)} of this machine"
    place = Hold.pinned(NAME, target, {})
    data = {"hold": str(place.path), "share": part, "cores": wanted, "nice": calm, "ttl_s": ttl_s}
    return Pinned(target=target, data=data, ttl_s=ttl_s)


def _used_s(pid: int) -> float:
    """Return the seconds that a process has computed, or 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _take(order: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], NoReturn]]:
    until_s = CLOCK.mono() + order["ttl_s"]
    os.nice(order["nice"])
    workers = [_fork(order["share"], until_s) for _ in range(order["cores"])]
    return {"workers": workers}, _wait


def _wait() -> NoReturn:
    """Hold until the time is over; without a single worker there is nothing to hold."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        sys.exit()


def _fork(part: float, until_s: float) -> int:
    holder = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            end_with(holder, signal.SIGKILL)
            _compute(part, until_s)
        finally:
            os._exit(0)
    return pid


def _compute(part: float, until_s: float) -> None:
    """Compute for a share of every period, as counted by the kernel, until the time is over."""
    while (now_s := CLOCK.mono()) < until_s:
        end_s = now_s + _PERIOD_S
        begun_s, number = _computed_s(), 1.0
        while _computed_s() - begun_s < part * _PERIOD_S and CLOCK.mono() < end_s:
            for _ in range(1000):
                number *= 1.0000001
        if (left_s := end_s - CLOCK.mono()) > 0:
            CLOCK.sleep(left_s)


def _computed_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    hold(_take)
