"""What earlier runs left behind, and how to clear it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from chaoslab.runtime import claims
from chaoslab.runtime.ledger import Entry, UndoLedger, ledgers
from chaoslab.runtime.runlog import RunLog
from chaoslab.runtime.undoing import Undoing, describe


class OpenRun(NamedTuple):
    """A run with something still to undo, or with a ledger that does not say so clearly."""

    run_id: str
    folder: str
    alive: bool
    """True while its runner lives: then it is at work, not left behind."""
    entries: tuple[Entry, ...]
    illegible: tuple[str, ...] = ()
    """What of its ledger cannot be read, as `file:line: why`: each line may have been something to undo."""
    is_writable: bool = True
    """False where it cannot be noted that something was undone; then it is undone once more, harmlessly."""

    def told(self) -> str:
        """Say in one line what it left behind."""
        return ", ".join(filter(None, [describe(self.entries), *self.illegible]))


def open_runs(state: Path) -> list[OpenRun]:
    """Return the runs with open entries, oldest first, and those whose ledger cannot be read.

    Raises:
        OSError: the state folder cannot be read.
    """
    runs = [run for _, run in _each(state)]
    return [run for run in runs if run.entries or run.illegible]


def undo_runs(
    state: Path, *, even_alive: bool = False, run_id: str = ""
) -> Iterator[tuple[OpenRun, list[Entry] | None]]:
    """Undo one run after the other; yield each with what could not be undone, or None where it was left alone.

    Args:
        state: the state folder
        even_alive: whether the faults of runs in progress are undone too
        run_id: the only run that is meant, by its id or the name of its folder

    Raises:
        OSError: the state folder cannot be read.
    """
    for ledger, run in _each(state):
        if run_id not in ("", run.run_id, Path(run.folder).name) or not (run.entries or run.illegible):
            continue
        if isinstance(ledger, OSError) or (run.alive and not even_alive):
            yield run, None
            continue
        with RunLog.of_run(run.folder) as log:
            left = Undoing(ledger, "undo", log).undo()
        yield run, left
    claims.sweep(state)


def undone_of(run: OpenRun, left: list[Entry]) -> list[Entry]:
    """Return what was open of a run and is no more."""
    numbers = {entry.number for entry in left}
    return [entry for entry in run.entries if entry.number not in numbers]


def _each(state: Path) -> Iterator[tuple[UndoLedger | OSError, OpenRun]]:
    """Open and close one ledger after the other; closing removes that of a dead run that holds nothing open."""
    for ledger in ledgers(state):
        try:
            yield ledger, _describe(ledger)
        finally:
            if isinstance(ledger, UndoLedger):
                runner = ledger.runner()
                ledger.close(keep=runner is not None and runner.is_alive())


def _describe(ledger: UndoLedger | OSError) -> OpenRun:
    if isinstance(ledger, OSError):
        path = Path(str(ledger.filename))
        return OpenRun(path.stem, "", False, (), (f"{path}: it cannot be opened: {ledger.strerror}",))
    header, runner = ledger.header(), ledger.runner()
    return OpenRun(
        str(header.get("run", ledger.path.stem)),
        str(header.get("folder", "")),
        runner is not None and runner.is_alive(),
        tuple(ledger.open_entries()),
        tuple(ledger.illegible()),
        ledger.is_writable,
    )
