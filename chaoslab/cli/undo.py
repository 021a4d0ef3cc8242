"""`chaoslab undo`: take out what a run left in the world."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from chaoslab.cli.boundary import telling
from chaoslab.cli.terminal import flat, mark, plural, say, say_json, tell
from chaoslab.core.errors import ExitCode, Refused
from chaoslab.runtime.ledger import Entry
from chaoslab.runtime.places import state_folder
from chaoslab.runtime.residue import open_runs, undo_runs, undone_of


@dataclass(slots=True)
class _Outcome:
    """What became of everything that was open, each with the id of its run."""

    undone: list[tuple[str, Entry]] = field(default_factory=list)
    residue: list[tuple[str, Entry]] = field(default_factory=list)
    in_progress: list[tuple[str, Entry]] = field(default_factory=list)
    illegible: list[tuple[str, str]] = field(default_factory=list)
    """Lines of ledgers that nobody can read, as `file:line: why`."""
    others: list[str] = field(default_factory=list)
    """Runs that were not meant and left something behind too."""
    unnoted: list[str] = field(default_factory=list)
    """Runs whose ledger cannot be written: what was undone is undone once more next time."""


@click.command()
@click.option("--run", "run_id", metavar="ID", help="Only what this run left behind: its id, or its folder's name.")
@click.option("--force", is_flag=True, help="Undo the faults of runs in progress too.")
@click.option("--json", "as_json", is_flag=True, help="Print what was undone as JSON.")
def command(run_id: str | None, force: bool, as_json: bool) -> int:
    """Undo what an earlier run left behind.

    Whatever a run injects is written down before, so nothing needs to be known about the run. A run in progress undoes
    its own faults and is left alone without --force. To undo twice is harmless.

    A line of a ledger that cannot be read may have been something to undo: its place is told, and the rest is undone.

    Exits 0 when nothing remains, 13 when something could not be undone or cannot be read.

    \b
    Examples:
      chaoslab undo
      chaoslab undo --json
      chaoslab undo --run 20260131T235959Z-database-blocked --force
    """
    try:
        outcome = _undo(run_id, force=force)
    except OSError as error:
        raise Refused("state", f"cannot use {error.filename or state_folder()}: {error.strerror or error}") from error
    code = ExitCode.RESIDUE if outcome.residue or outcome.illegible else ExitCode.PASSED
    with telling(code):
        _tell(outcome, as_json=as_json)
    return code


def _tell(outcome: _Outcome, *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "undone": _shown(outcome.undone),
                "residue": _shown(outcome.residue),
                "in_progress": _shown(outcome.in_progress),
                "illegible": [{"run": run_id, "line": line} for run_id, line in outcome.illegible],
            }
        )
    else:
        _print(outcome)
    for run_id in outcome.unnoted:
        tell(f"the ledger of run {run_id} cannot be written, so it will be undone once more, which is harmless")


def _undo(run_id: str | None, *, force: bool) -> _Outcome:
    state = state_folder()
    outcome, meant = _Outcome(), Path(run_id or "").name  # the folder itself may be given, as the report names it
    for run, left in undo_runs(state, even_alive=force, run_id=meant):
        if run.alive and not force:
            outcome.in_progress += [(run.run_id, entry) for entry in run.entries]
            continue
        outcome.illegible += [(run.run_id, line) for line in run.illegible]
        undone = undone_of(run, left) if left is not None else []
        outcome.undone += [(run.run_id, entry) for entry in undone]
        outcome.residue += [(run.run_id, entry) for entry in left or ()]
        outcome.unnoted += [run.run_id] * (bool(undone) and not run.is_writable)
    if meant:
        left_behind = [run for run in open_runs(state) if not run.alive]
        outcome.others += [run.run_id for run in left_behind if meant not in (run.run_id, Path(run.folder).name)]
    return outcome


def _print(outcome: _Outcome) -> None:
    for run_id, entry in outcome.undone:
        say(f"{mark('ok')} undone   {_what(entry)}  (run {run_id})")
    for run_id, entry in outcome.residue:
        say(f"{mark('residue')} REMAINS  {_what(entry)}  (run {run_id}): {flat(entry.error)}")
    for _, line in outcome.illegible:
        say(f"{mark('residue')} ILLEGIBLE {line}")
    for run_id, entry in outcome.in_progress:
        say(f"{mark('running')} at work  {_what(entry)}  (run {run_id} is in progress and undoes it)")
    if outcome.residue:
        tell(f"{plural(len(outcome.residue), 'thing')} not undone; mend the cause and call `chaoslab undo` again")
    if outcome.illegible:
        what = plural(len(outcome.illegible), "line")
        tell(f"{what} cannot be read, and may have been something to undo; look there, then remove the file by hand")
    if not any((outcome.undone, outcome.residue, outcome.in_progress, outcome.illegible)):
        say("nothing to undo" + (" of that run" if outcome.others else ""))
    if outcome.others:
        tell(f"other runs left something behind: {', '.join(outcome.others)}; `chaoslab undo` undoes that too")


def _what(entry: Entry) -> str:
    return str(flat(f"{entry.name} on {entry.target}"))


def _shown(entries: Sequence[tuple[str, Entry]]) -> list[dict[str, object]]:
    return [
        {
            "run": run_id,
            "entry": entry.number,
            "name": entry.name,
            "target": entry.target,
            "role": entry.role,
            "error": entry.error,
        }
        for run_id, entry in entries
    ]
