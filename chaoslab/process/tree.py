"""A process and all that descend from it, stopped one after the other so that none can slip away by forking.

A process that stands still cannot fork: its children are listed only then, and stopped in their turn. Each one is
noted in a file before it is stopped, so that whoever undoes continues exactly those that we stopped, also when
the runner died half-way or their parent is gone and nobody could find them as its descendants any more. The file needs
no sync: a machine that loses it has lost the processes too.
"""

import hashlib
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from chaoslab.process.proc import STOPPED, children_of, thread_states
from chaoslab.process.target import send
from chaoslab.process.vital import is_reaper
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.identity import ProcessIdentity, identify
from chaoslab.runtime.places import private_folder, state_folder
from chaoslab.runtime.session import current, has_session

_STANDS_WITHIN_S = 2.0
_POLL_S = 0.002


def notes_of(roots: Sequence[ProcessIdentity]) -> Path:
    """Return the file in which the run notes whom it stops of these trees; nothing is written."""
    state = current().state if has_session() else state_folder()
    text = " ".join(f"{root.boot}-{root.pid}-{root.started}" for root in roots)
    return state.absolute() / "stopped" / hashlib.sha256(text.encode()).hexdigest()[:12]


def descendants_of(roots: Sequence[ProcessIdentity]) -> list[ProcessIdentity]:
    """Return all that descend from these, as they are at this moment; reapers of runs are left out."""
    known, pending = set(roots), list(roots)
    found: list[ProcessIdentity] = []
    while pending:
        for child in _living_children(pending.pop(0)):
            if child not in known:
                known.add(child)
                found.append(child)
                pending.append(child)
    return found


def stop(roots: Sequence[ProcessIdentity], notes: Path) -> list[ProcessIdentity]:
    """Stop these processes and all that descend from them; return all who stand now.

    Who was stopped already by somebody else is not noted, so that `go_on` leaves it alone.
    """
    private_folder(notes.parent)
    known, pending, standing = set(roots), list(roots), []
    with notes.open("a", buffering=1, encoding="ascii") as file:
        while pending:
            process = pending.pop(0)
            if thread_states(process.pid) != {STOPPED}:
                file.write(f"{process.pid} {process.started} {process.boot}\n")
                if not send(process, signal.SIGSTOP):
                    continue
                _await_still(process)
            standing.append(process)
            new = [child for child in _living_children(process) if child not in known]
            known.update(new)
            pending += new
    return standing


def go_on(notes: Path) -> None:
    """Continue exactly those whom we stopped, children before their parents; without notes there are none."""
    for process in reversed(noted(notes)):
        send(process, signal.SIGCONT)
    with suppress(FileNotFoundError):
        notes.unlink()


def noted(notes: Path) -> list[ProcessIdentity]:
    """Return who was noted, in that order; a line torn by a crash was never acted on."""
    try:
        lines = notes.read_text(encoding="ascii").split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [ProcessIdentity(int(pid), int(started), boot) for pid, started, boot in map(str.split, lines)]


def all_stand(roots: Sequence[ProcessIdentity]) -> bool:
    """Say whether these live, and they and all that descend from them stand still."""
    if not all(root.is_alive() for root in roots):
        return False
    # One that ends meanwhile does nothing any more, which is as still as one can be.
    return all(thread_states(one.pid) <= {STOPPED, "Z", "X"} for one in (*roots, *descendants_of(roots)))


def _await_still(process: ProcessIdentity) -> None:
    """Wait until it stands: before that it may fork. One in the middle of a disk access takes a moment longer."""
    until_s = CLOCK.mono() + _STANDS_WITHIN_S
    while process.is_alive() and thread_states(process.pid) != {STOPPED} and CLOCK.mono() < until_s:
        CLOCK.sleep(_POLL_S)


def _living_children(parent: ProcessIdentity) -> Iterator[ProcessIdentity]:
    for pid in children_of(parent.pid):
        child = identify(pid)
        if child and child.is_alive() and child.pid != os.getpid() and not is_reaper(pid):
            yield child
