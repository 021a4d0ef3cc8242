"""What earlier runs left behind, and how to clear it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from chaoslab.core.errors import ChaoslabError
from chaoslab.runtime.ledger import Entry, UndoLedger, ledgers
from chaoslab.runtime.runlog import RunLog
from chaoslab.runtime.undoing import Undoing


class OpenRun(NamedTuple):
    """A run with something still to undo."""

    run_id: str
    folder: str
    alive: bool
    """True while its runner lives: then it is at work, not left behind."""
    entries: tuple[Entry, ...]


def open_runs(state: Path) -> list[OpenRun]:
    """Return the runs with open entries, oldest first.

    Raises:
        ChaoslabError: a ledger cannot be read.
    """
    with _opened(state) as found:
        runs = [_describe(ledger) for ledger in found]
    return [run for run in runs if run.entries]


def undo_left_behind(state: Path, *, even_alive: bool = False, run_id: str = "") -> tuple[list[Entry], list[Entry]]:
    """Undo what dead runs, or the one named, left behind; return what was undone and what could not be.

    With `even_alive` the faults of runs in progress are undone too.
    """
    undone: list[Entry] = []
    residue: list[Entry] = []
    with _opened(state) as found:
        for ledger in found:
            run = _describe(ledger)
            if (run.alive and not even_alive) or run_id not in ("", run.run_id):
                continue
            with RunLog.of_run(run.folder) as log:
                left = Undoing(ledger, "undo", log).undo()
            numbers = {entry.number for entry in left}
            residue += left
            undone += [entry for entry in run.entries if entry.number not in numbers]
    return undone, residue


@contextmanager
def _opened(state: Path) -> Iterator[list[UndoLedger]]:
    """Open all ledgers and close them; closing removes those of dead runs that hold nothing open."""
    found = ledgers(state)
    try:
        yield found
    finally:
        for ledger in found:
            runner = ledger.runner()
            ledger.close(keep=runner is not None and runner.is_alive())


def _describe(ledger: UndoLedger) -> OpenRun:
    header, runner = ledger.header(), ledger.runner()
    if not header:
        raise ChaoslabError(f"{ledger.path}: the ledger has no readable first line; look at it and remove it by hand")
    return OpenRun(
        header["run"],
        header["folder"],
        runner is not None and runner.is_alive(),
        tuple(ledger.open_entries()),
    )
