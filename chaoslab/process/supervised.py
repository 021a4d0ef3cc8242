"""A process is ended, and the time is taken until whoever supervises it has another one."""

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.process.actions import KILL, deadly, pinned_processes
from chaoslab.process.selection import Selector, candidates, pin_all
from chaoslab.process.target import data_of, identities_of
from chaoslab.runtime.arguments import seconds_up_to, yes
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data, Fault, Pinned, pin_of
from chaoslab.runtime.identity import ProcessIdentity
from chaoslab.runtime.session import Session, current, has_session

FINDING = "process-not-restarted"
_POLL_S = 0.02
_ENDS_WITHIN_S = 30.0
"""How long one that is asked to end may take over it: it finishes what it has under way."""
_WITHIN_MAX_S = 600.0


def _end(data: Data) -> dict[str, Any]:
    sent_mono_s = CLOCK.mono()
    return {**KILL.inject(data), "sent_mono_s": sent_mono_s}


RESTART = Fault(
    inject=_end, effective=KILL.effective, undo=KILL.undo, momentary=True, effective_within_s=_ENDS_WITHIN_S
)


def _then_measure[**P](strike: Callable[P, Any]) -> Callable[P, Any]:
    """Have the action wait for the successors of those that it has ended."""

    @functools.wraps(strike)
    def measured(*args: P.args, **kwargs: P.kwargs) -> Any:
        data = pin_of(strike)(*args, **kwargs).data if has_session() else {}
        struck = strike(*args, **kwargs)
        if any(process.is_alive() for process in identities_of(data)):
            return struck  # the session has told so, and there is nobody to be replaced
        return {"pids": struck["pids"], **_await_successors(current(), data, struck["sent_mono_s"])}

    return measured


@_then_measure
@RESTART.action
def restart(
    pid_file: str = "",
    *,
    unit: str = "",
    name: str = "",
    user: str = "",
    command: str = "",
    port: str = "",
    cgroup: str = "",
    which: str = "",
    tree: str = "no",
    signal: str = "SIGKILL",
    within: str = "30s",
    database: str = "no",
) -> Pinned:
    """End processes, and measure how long their supervisor takes to have others in their place.

    The time from the signal on is the figure `restart_s`, the interval between the last look that saw no new process
    and the first that saw it. That it also works is for a prober to say.

    Args:
        pid_file: a file that the supervisor writes: `pid`, or `pid start-time` (clock ticks since boot)
        unit, name, user, command, port, cgroup, which: by what else it is found, as `Selector` says
        signal: SIGKILL as a crash does, or SIGTERM to ask it to end in good order
        within: how long to wait for the new process
        tree, database: yes, to end all that descend from it too; yes, if a database server is really meant

    Blast radius: these processes, and whoever is served by them until they are replaced.
    Undo: nothing; the fault is over when the processes are gone.
    Effective when: these very processes are gone.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: nobody fits, or several without `which`; a stale pid file; no permission; what the run or the machine
            stands on; a database server without `database`.
    """
    selector = Selector(pid_file, 0, unit, name, user, command, port, cgroup, which)
    found = pin_all(selector, database=yes("database", database))
    more = {
        "signal": deadly(signal),
        "within_s": seconds_up_to("within", within, most_s=_WITHIN_MAX_S),
        "selector": asdict(selector),
    }
    more["before"] = [data_of(process) for process in candidates(selector)]
    return pinned_processes(found, ttl_s=RESTART.undo_deadline_s, tree=tree, database=database, **more)


def _await_successors(session: Session, data: Data, sent_mono_s: float) -> dict[str, Any]:
    """Wait until as many new processes fit as were ended; note how long it took, or that none came."""
    wanted, before = len(data["processes"]), set(identities_of({"processes": data["before"]}))
    selector, until_s = Selector(**data["selector"]), sent_mono_s + data["within_s"]
    without_s = sent_mono_s
    while True:
        look_s = CLOCK.mono()
        new = [process for process in _fitting(selector) if process not in before]
        if len(new) >= wanted:
            figure = (round(without_s - sent_mono_s, 6), round(CLOCK.mono() - sent_mono_s, 6))
            session.figure("restart_s", figure, "s")
            session.mark("restarted")
            return {"restarted": [process.pid for process in new], "restart_s": figure}
        if look_s >= until_s:
            break
        without_s = look_s
        session.sleep(_POLL_S)
    pids = ", ".join(str(process.pid) for process in identities_of(data))
    session.finding(
        FINDING,
        where=f"process {pids}",
        message=f"nobody had started it again {data['within_s']:g} s after it was ended",
        expected=f"{wanted} new within {data['within_s']:g} s",
        actual=len(new),
    )
    return {"restarted": [process.pid for process in new], "restart_s": None}


def _fitting(selector: Selector) -> list[ProcessIdentity]:
    """Return who fits now: while it is being replaced, a pid file may be stale, gone or half-written."""
    try:
        return candidates(selector)
    except (BadUsage, Refused):
        return []
