"""Undo what a ledger holds open: the same code for the run, its reaper and `chaoslab undo`."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from chaoslab.runtime import claims
from chaoslab.runtime.clock import Clock, SystemClock
from chaoslab.runtime.fault import Fault, resolve
from chaoslab.runtime.ledger import By, Entry, UndoLedger
from chaoslab.runtime.runlog import RunLog

_PAUSES_S = (0.1, 0.5)
"""Waits between attempts: a target that is just restarting gets a second and a third chance."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """Who undoes, and where it is written down."""

    ledger: UndoLedger
    by: By
    log: RunLog | None = None
    clock: Clock = field(default_factory=SystemClock)

    def undo(self, wanted: Callable[[Entry], bool] = lambda entry: True) -> list[Entry]:
        """Undo the open entries that are wanted, newest first; return those that could not be undone."""
        with self.ledger.exclusive():
            tried = [(entry, self._undo_one(entry)) for entry in self.ledger.open_entries() if wanted(entry)]
        return [replace(entry, error=error) for entry, error in tried if error]

    def _undo_one(self, entry: Entry) -> str:
        """Undo one entry and write down how that went; return what went wrong, or nothing.

        The run log has it first: killed between the two, an entry that is open is undone once more, while a report that
        never hears of it would tell of residue for ever.
        """
        begun_s = self.clock.mono()
        error = self._attempts(entry)
        if error:
            self._log("fault-undo-failed", entry=entry.number, by=self.by, error=error)
            self._note(lambda: self.ledger.failed(entry.number, self.by, error))
        else:
            took_s = round(self.clock.mono() - begun_s, 6)
            self._log("fault-undone", durable=True, entry=entry.number, by=self.by, took_s=took_s)
            self._note(lambda: self.ledger.undone(entry.number, self.by))
        return error

    def _attempts(self, entry: Entry) -> str:
        try:
            fault = resolve(entry.undo)
        except Exception as absent:
            return str(absent)  # what is not installed is not there a second later either
        hurried = self.by == "reaper"
        error = _attempt(fault, entry, hurried=hurried)
        for pause_s in _PAUSES_S:
            if not error:
                break
            self.clock.sleep(pause_s)
            error = _attempt(fault, entry, hurried=hurried)
        return error

    def _log(self, kind: str, **fields: Any) -> None:
        if (log := self.log) is not None:
            self._note(lambda: log.append(kind, **fields))

    def _note(self, write: Callable[[], None]) -> None:
        """Write, but let no full disk, and no lack of memory, keep the next fault from being undone.

        An undo that could not be written down stays open in the ledger and is undone once more, harmlessly.
        """
        try:
            write()
        except (OSError, MemoryError):
            return


def expired(now_mono_s: float, now_boot_s: float) -> Callable[[Entry], bool]:
    """Select the entries whose time-to-live is over on either clock of this boot."""
    return lambda entry: entry.expires_mono_s <= now_mono_s or entry.expires_boot_s <= now_boot_s


def named(name: str) -> Callable[[Entry], bool]:
    """Select the faults of one name, in full (`process.pause`) or in short (`pause`)."""
    return lambda entry: entry.role == "fault" and name in {entry.name, entry.name.rpartition(".")[2]}


def describe(entries: Iterable[Entry]) -> str:
    """Name the entries in one line."""
    return ", ".join(f"{entry.name} on {entry.target}" for entry in entries)


def hurry() -> None:
    """Have this thread run before others where that is allowed, so that a busy machine makes no time-to-live late.

    It is for a reaper, which nearly always waits. What the thread starts is as patient as everybody.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _attempt(fault: Fault, entry: Entry, *, hurried: bool) -> str:
    """Undo one entry under a deadline; return what went wrong, or nothing.

    It runs in a thread of its own: an undo that hangs must not keep the others from being undone.
    """
    outcome: list[str] = []

    def work() -> None:
        if hurried:
            hurry()
        try:
            with claims.undoing(entry) as is_ours:
                if is_ours:
                    fault.undo(entry.data)
        except BaseException as error:
            outcome.append(f"{type(error).__name__}: {error}")
        else:
            outcome.append("")

    thread = threading.Thread(target=work, name=f"undo-{entry.name}", daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError):
        work()  # no thread can be had, as where memory is out: better without a deadline than not at all
    else:
        thread.join(fault.undo_deadline_s)
    return outcome[0] if outcome else f"no answer within {fault.undo_deadline_s:g} s"
