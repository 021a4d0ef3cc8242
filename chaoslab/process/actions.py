"""Faults of processes: they stand still, or they die."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.process import tree as trees
from chaoslab.process.proc import STOPPED, TRACED, thread_states
from chaoslab.process.selection import Selector, pin_all
from chaoslab.process.target import GUARD, data_of, describe, identities_of, send
from chaoslab.process.vital import refuse_databases
from chaoslab.runtime.arguments import time_to_live, yes
from chaoslab.runtime.claims import BY_WHOM
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.identity import ProcessIdentity, state_of

_DEADLY = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGABRT", "SIGSEGV")


def _stop(data: Data) -> dict[str, Any]:
    if notes := data.get("notes"):
        standing = trees.stop(identities_of(data), Path(notes))
    else:
        standing = [process for process in identities_of(data) if send(process, signal.SIGSTOP)]
    return _told(data, standing, "paused")


def _told(data: Data, struck: Sequence[ProcessIdentity], word: str) -> dict[str, Any]:
    """Return what a step passes on.

    Raises:
        Refused: one that was pinned has ended before.
    """
    if early := set(identities_of(data)) - set(struck):
        raise Refused(GUARD, f"process {min(one.pid for one in early)} ended before it could be {word}")
    return {"pids": [process.pid for process in struck]}


def _is_stopped(data: Data) -> bool:
    """Say whether every thread stands still; one in the middle of a disk access takes a moment longer."""
    if data.get("notes"):
        return trees.all_stand(identities_of(data))
    return all(one.is_alive() and thread_states(one.pid) == {STOPPED} for one in identities_of(data))


def _go_on(data: Data) -> None:
    if notes := data.get("notes"):
        trees.go_on(Path(notes))
        return
    for process in identities_of(data):
        send(process, signal.SIGCONT)  # gone meanwhile: then nothing is left to undo


PAUSE = Fault(inject=_stop, effective=_is_stopped, undo=_go_on)


@PAUSE.action
def pause(
    pid_file: str = "",
    pid: int = 0,
    *,
    unit: str = "",
    name: str = "",
    user: str = "",
    command: str = "",
    port: str = "",
    cgroup: str = "",
    which: str = "",
    tree: str = "no",
    database: str = "no",
    ttl: str = "60s",
) -> Pinned:
    """Stop processes with SIGSTOP: they keep their memory, ports and connections, and answer nothing.

    This is how a hung process, a long garbage collection or a starved virtual machine looks to others. Every process is
    pinned by pid and start time, so that no other one is ever hit.

    Args:
        pid_file: a file that holds `pid`, or `pid start-time` (clock ticks since boot)
        pid: the pid, instead of the file
        unit, name, user, command, port, cgroup, which: by what else it is found, as `Selector` says
        tree, database: yes, to take all that descend from it too; yes, if a database server is really meant
        ttl: how long they may stay stopped without the runner's word

    Blast radius: these processes, and whoever waits for them; their children go on, unless `tree` is given.
    Undo: SIGCONT, to exactly those that were stopped.
    Effective when: all their threads are in state T.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: nobody fits, or several without `which`; a stale pid file; no permission; what the run or the machine
            stands on; a database server without `database`; one that is stopped already, which the undo would start.
    """
    ttl_s = time_to_live(ttl)
    selector = Selector(pid_file, pid, unit, name, user, command, port, cgroup, which)
    found = pin_all(selector, database=yes("database", database))
    for process in found:
        if state_of(process.pid) in {STOPPED, TRACED}:
            raise Refused(GUARD, f"{describe(process)} is stopped already, {BY_WHOM}; undoing would start it")
    return pinned_processes(found, ttl_s=ttl_s, tree=tree, database=database)


def pinned_processes(
    found: Sequence[ProcessIdentity], *, ttl_s: float, tree: str, database: str, **more: Any
) -> Pinned:
    """Return a fault of these processes, and of their descendants if the tree is meant.

    Raises:
        BadUsage: `tree` or `database` is neither yes nor no.
        Refused: a database server is among the descendants, and not meant.
    """
    told = ", ".join(describe(process) for process in found)
    data: dict[str, Any] = {"processes": [data_of(process) for process in found], **more}
    if yes("tree", tree):
        descendants = trees.descendants_of(found)
        if not yes("database", database):
            refuse_databases(descendants)
        data |= {"notes": str(trees.notes_of(found)), "descendants": [data_of(process) for process in descendants]}
        told += f" and all that descend{'s' if len(found) == 1 else ''} from {'it' if len(found) == 1 else 'them'}"
    claims = tuple(f"state of process {process.told()}" for process in everybody_of(data))
    return Pinned(target=told, data=data, ttl_s=ttl_s, claims=claims)


def _kill(data: Data) -> dict[str, Any]:
    number = signal.Signals[data["signal"]]
    if notes := data.get("notes"):
        # Whoever stands still can neither fork nor start a killed child again.
        struck = trees.stop(identities_of(data), Path(notes))
        for process in struck:
            send(process, number)
        trees.go_on(Path(notes))  # a signal other than SIGKILL is taken only now
    else:
        struck = [process for process in identities_of(data) if send(process, number)]
    return {**_told(data, struck, "killed"), "signal": data["signal"]}


def _are_gone(data: Data) -> bool:
    return not any(process.is_alive() for process in everybody_of(data))


def everybody_of(data: Data) -> list[ProcessIdentity]:
    """Return all that a fault hits, as it was pinned."""
    descendants = data.get("descendants", [])
    return [*identities_of(data), *(identities_of({"processes": descendants}) if descendants else [])]


def _leave_none_standing(data: Data) -> None:
    """Undo nothing: a dead process is started again by its supervisor, which is what the exercise is to show.

    Only of a tree somebody may stand still, if the runner died between stopping and killing.
    """
    if notes := data.get("notes"):
        trees.go_on(Path(notes))


KILL = Fault(inject=_kill, effective=_are_gone, undo=_leave_none_standing, momentary=True)


@KILL.action
def kill(
    pid_file: str = "",
    pid: int = 0,
    signal: str = "SIGKILL",
    *,
    unit: str = "",
    name: str = "",
    user: str = "",
    command: str = "",
    port: str = "",
    cgroup: str = "",
    which: str = "",
    tree: str = "no",
    database: str = "no",
) -> Pinned:
    """Kill processes, as a crash or the kernel's out-of-memory killer does.

    Every process is pinned by pid and start time, so that no other one is ever hit.

    Args:
        pid_file: a file that holds `pid`, or `pid start-time` (clock ticks since boot)
        pid: the pid, instead of the file
        signal: SIGKILL, or another one that ends a process; SIGTERM asks it to end in good order
        unit, name, user, command, port, cgroup, which: by what else it is found, as `Selector` says
        tree, database: yes, to kill all that descend from it too; yes, if a database server is really meant

    Blast radius: these processes, and whoever is served by them. Nobody but a supervisor starts them again.
    Undo: nothing; the fault is over when the processes are gone.
    Effective when: these very processes are gone.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: nobody fits, or several without `which`; a stale pid file; no permission; what the run or the machine
            stands on; a database server without `database`.
    """
    selector = Selector(pid_file, pid, unit, name, user, command, port, cgroup, which)
    found = pin_all(selector, database=yes("database", database))
    ends = deadly(signal)
    return pinned_processes(found, ttl_s=KILL.undo_deadline_s, tree=tree, database=database, signal=ends)


def deadly(text: str) -> str:
    """Return the name of a signal that ends a process.

    Raises:
        BadUsage: it is none.
    """
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if name not in _DEADLY:
        raise BadUsage(f"signal: {text!r} is none of {', '.join(_DEADLY)}; to stop and continue, use pause")
    return name
