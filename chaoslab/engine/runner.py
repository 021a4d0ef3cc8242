"""Run one exercise from its file to its verdict. One a process: Chaos Toolkit keeps its state in module globals."""

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

from chaoslab.core.errors import ChaoslabError, Residue
from chaoslab.core.record import Record, record_of
from chaoslab.core.spec import Spec
from chaoslab.core.verdict import Verdict, judge
from chaoslab.engine.exercise import Exercise
from chaoslab.engine.journal import settle_status, write_journal
from chaoslab.engine.opening import Wishes, open_run
from chaoslab.engine.planning import Planned, plan_of
from chaoslab.engine.playback import play
from chaoslab.engine.telling import Tell, silent
from chaoslab.engine.variables import Given, Variables, resolve
from chaoslab.runtime.clock import Clock
from chaoslab.runtime.runlog import NAME, each_event
from chaoslab.runtime.undoing import describe


class Outcome(NamedTuple):
    """A run that is over."""

    folder: Path
    record: Record
    verdict: Verdict

    @property
    def exit_code(self) -> int:
        """The exit code that tells the verdict to scripts."""
        return self.verdict.exit_code


def plan_exercise(spec: Spec, given: Given, wishes: Wishes | None = None) -> Planned:
    """Plan a run without beginning it; nothing is touched.

    Raises:
        BadUsage: a variable is unknown or of the wrong type.
        BadFile: the file calls what is not on this machine.
        Refused: no lab is running, or a target cannot be found.
    """
    return _planned(spec, given, wishes or Wishes())[1]


def _planned(spec: Spec, given: Given, wishes: Wishes) -> tuple[Variables, Planned]:
    variables = resolve(spec.document.get("configuration") or {}, given, secrets=spec.document.get("secrets"))
    return variables, plan_of(spec, variables, reports=wishes.reports, confirmed=wishes.confirmed)


def run_exercise(
    spec: Spec, given: Given, wishes: Wishes | None = None, *, tell: Tell = silent, clock: Clock | None = None
) -> Outcome:
    """Run a file: plan, guards, steady state, method, undo, verdict. Main thread only.

    Args:
        spec: the file.
        given: the variables that were set.
        wishes: where reports go, which production targets were named, ...
        tell: is told every event as it happens, from a thread of its own.
        clock: time; a simulated one in tests.

    Raises:
        BadUsage: a variable is unknown or of the wrong type.
        BadFile: the file calls what is not on this machine.
        Refused: before there was a run folder: no lab, no target, a folder that cannot be written.
        ChaoslabError: the run could not be written down to its end; everything is undone.
    """
    wishes = wishes or Wishes()
    variables, planned = _planned(spec, given, wishes)
    exercise, refusals = open_run(spec, variables, planned, wishes, tell=tell, clock=clock)
    if refusals:
        exercise.finish({"status": "refused"})
        return _outcome(exercise)
    journal = play(deepcopy(spec.document), exercise, verbose=wishes.verbose)
    outcome = _outcome(exercise)
    settle_status(journal, outcome.verdict)
    try:
        write_journal(journal, exercise.session)
    except OSError as error:
        raise ChaoslabError(f"the journal could not be written: {error}; everything is undone") from error
    return outcome


def _outcome(exercise: Exercise) -> Outcome:
    if exercise.unwritten:
        raise _untold(exercise, f"the run could not be written down: {exercise.unwritten}")
    folder = exercise.session.folder
    try:
        record = record_of(each_event(folder / NAME))
    except (OSError, ValueError) as error:  # somebody removed or emptied it while the run was on
        raise _untold(exercise, f"the run log cannot be read back: {error}") from error
    return Outcome(folder, record, judge(record))


def _untold(exercise: Exercise, why: str) -> ChaoslabError:
    """Return the error of a run that has no verdict, with what is left of it in the world."""
    if exercise.residue:
        return Residue(f"{why}; {describe(exercise.residue)} is left of it")
    return ChaoslabError(f"{why}; nothing is left of it")
