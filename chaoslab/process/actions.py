"""Faults of a single process: it stands still, or it dies."""

import signal
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.process.target import GUARD, data_of, describe, identity_of, pin, send, thread_states
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.identity import state_of

_STOPPED = "T"
_TRACED = "t"
_DEADLY = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGABRT", "SIGSEGV")


def _stop(data: Data) -> dict[str, Any]:
    if not send(identity_of(data), signal.SIGSTOP):
        raise Refused(GUARD, f"process {data['pid']} ended before it could be paused")
    return {"pid": data["pid"]}


def _is_stopped(data: Data) -> bool:
    """Say whether every thread stands still; one in the middle of a disk access takes a moment longer."""
    return identity_of(data).is_alive() and thread_states(data["pid"]) == {_STOPPED}


def _go_on(data: Data) -> None:
    send(identity_of(data), signal.SIGCONT)  # gone meanwhile: then nothing is left to undo


PAUSE = Fault(inject=_stop, effective=_is_stopped, undo=_go_on)


@PAUSE.action
def pause(pid_file: str = "", pid: int = 0, ttl: str = "60s") -> Pinned:
    """Stop a process with SIGSTOP: it keeps its memory, ports and connections, and answers nothing.

    This is how a hung process, a long garbage collection or a starved virtual machine looks to others. The process is
    pinned by pid and start time, so that no other one is ever hit.

    Args:
        pid_file: a file that holds `pid`, or `pid start-time` (clock ticks since boot)
        pid: the pid, instead of the file
        ttl: how long it may stay stopped without the runner's word

    Blast radius: this one process, and whoever waits for it; its children go on.
    Undo: SIGCONT, to the very same process only.
    Effective when: all its threads are in state T.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such process, a stale pid file, no permission; the run itself, one that it descends from, pid 1
            or a thread of the kernel; a process that is stopped already, which the undo would wrongly start.
    """
    ttl_s = time_to_live(ttl)
    found = pin(pid_file=pid_file, pid=pid)
    if state_of(found.pid) in {_STOPPED, _TRACED}:
        raise Refused(GUARD, f"{describe(found)} is stopped already, by somebody else; undoing would start it")
    return Pinned(target=describe(found), data=data_of(found), ttl_s=ttl_s)


def _kill(data: Data) -> dict[str, Any]:
    if not send(identity_of(data), signal.Signals[data["signal"]]):
        raise Refused(GUARD, f"process {data['pid']} ended before it could be killed")
    return {"pid": data["pid"], "signal": data["signal"]}


def _is_gone(data: Data) -> bool:
    return not identity_of(data).is_alive()


def _nothing(data: Data) -> None:
    """Undo nothing: a dead process is started again by its supervisor, which is what the exercise is to show."""


KILL = Fault(inject=_kill, effective=_is_gone, undo=_nothing, momentary=True)


@KILL.action
def kill(pid_file: str = "", pid: int = 0, signal: str = "SIGKILL") -> Pinned:
    """Kill a process, as a crash or the kernel's out-of-memory killer does.

    The process is pinned by pid and start time, so that no other one is ever hit.

    Args:
        pid_file: a file that holds `pid`, or `pid start-time` (clock ticks since boot)
        pid: the pid, instead of the file
        signal: SIGKILL, or another one that ends a process; SIGTERM asks it to end in good order

    Blast radius: this one process, and whoever is served by it. Nobody but its supervisor starts it again.
    Undo: nothing; the fault is over when the process is gone.
    Effective when: this very process is gone.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such process, a stale pid file, no permission; the run itself, one that it descends from, pid 1
            or a thread of the kernel.
    """
    name = signal.upper() if signal.upper().startswith("SIG") else f"SIG{signal.upper()}"
    if name not in _DEADLY:
        raise BadUsage(f"signal: {signal!r} is none of {', '.join(_DEADLY)}; to stop and continue, use pause")
    found = pin(pid_file=pid_file, pid=pid)
    return Pinned(target=describe(found), data={**data_of(found), "signal": name}, ttl_s=KILL.undo_deadline_s)
