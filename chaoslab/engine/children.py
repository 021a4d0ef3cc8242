"""Programs that a `process` step of a file has started end with their runner.

A shell that a step runs, and what that shell has started, know nothing of the run's death: they go on, and may do again
what the undo has just undone. So a step is written down while it lasts. Whoever plays its undo finds what descends from
it by a word in the environment, which is inherited however often a parent dies. What has begun a session of its own is
a daemon, started to stay; so is what a step has left behind that came to its end.
"""

import os
import signal
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from chaoslab.core.errors import one_line
from chaoslab.engine.outcomes import Activity
from chaoslab.process.proc import everybody, read, stat_of
from chaoslab.process.target import send
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data, Fault, Pinned, pin_of, reference_of
from chaoslab.runtime.identity import ProcessIdentity, myself
from chaoslab.runtime.ledger import Entry
from chaoslab.runtime.session import Session

VARIABLE = "CHAOSLAB_RUN"
_SESSION_FIELD = 3
"""Where /proc/PID/stat, from the state on, has the session."""
_GENTLY_S = 2.0
_POLL_S = 0.02
_NEVER_S = 365 * 24 * 3600.0
"""How long a step may take is told by its own timeout."""


def _nothing(data: Data) -> None:
    """Inject nothing: the step itself starts its program."""


def _end(data: Data) -> None:
    """End what the step has started and what descends from it: gently, then by force."""
    for number, patience_s in ((signal.SIGTERM, _GENTLY_S), (signal.SIGKILL, _GENTLY_S)):
        found = descendants(data)
        for process in found:
            send(process, number)
        until_s = CLOCK.mono() + patience_s
        while any(process.is_alive() for process in found) and CLOCK.mono() < until_s:
            CLOCK.sleep(_POLL_S)


PROGRAM = Fault(inject=_nothing, undo=_end, role="scratch")


@PROGRAM.action
def program(step: str, run: str) -> Pinned:
    """Hold what a step starts as something to end.

    Blast radius: the programs of this step. Undo: SIGTERM, then SIGKILL. Effective when: never asked.
    """
    me = myself()
    data = {"run": run, "runner": asdict(me), "session": os.getsid(0), "since": _now_ticks()}
    return Pinned(target=f"programs of step {step}", data=data, ttl_s=_NEVER_S)


def descendants(data: Data) -> list[ProcessIdentity]:
    """Return who was started by the run since the step began, and is still in its session."""
    runner = ProcessIdentity(**data["runner"])
    word = f"{VARIABLE}={data['run']}"
    return [
        process
        for process in everybody()
        if process != runner
        and process.boot == runner.boot
        and process.pid != os.getpid()
        and process.started >= data["since"]
        and _session_of(process.pid) == data["session"]
        and word in read(process.pid, "environ").split("\0")
    ]


@dataclass(slots=True)
class Programs:
    """The `process` steps that are in progress."""

    session: Session
    _open: dict[int, Entry] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Steps in the background begin and end in threads of their own."""

    def begin(self, activity: Activity) -> None:
        """Write a step down, if it starts a program."""
        if activity.get("provider", {}).get("type") != "process":
            return
        name = str(activity.get("name"))
        pinned = pin_of(program)(one_line(name), self.session.run_id)
        with self._lock:
            os.environ[VARIABLE] = self.session.run_id
            reference = reference_of(program)
            self._open[id(activity)] = self.session.intend(name=name, pinned=pinned, role="scratch", undo=reference)

    def ended(self, activity: Activity, *, well: bool) -> None:
        """Let a step be over; of one that did not come to its end well nothing goes on."""
        with self._lock:
            entry = self._open.pop(id(activity), None)
            if not self._open:
                os.environ.pop(VARIABLE, None)
        if entry is None or all(one.number != entry.number for one in self.session.open_entries()):
            return
        if well:
            self.session.undone(entry)
        else:
            self.session.undo(lambda one: one.number == entry.number)


def _session_of(pid: int) -> int:
    fields: list[Any] = stat_of(pid)
    return int(fields[_SESSION_FIELD]) if fields else -1


def _now_ticks() -> int:
    """Return the instant as the kernel writes the start of processes: clock ticks since boot."""
    return int(CLOCK.boot() * os.sysconf("SC_CLK_TCK"))
