"""Plain `chaos run` of a file that declares our control: the control opens the run, guards it and ends it.

There is no command line of ours, so the verdict goes into the engine's log, and its exit code can only say 0 or 1.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.core.record import record_of
from chaoslab.core.spec import Spec, parse_spec
from chaoslab.core.verdict import judge
from chaoslab.engine.chaoslog import listening
from chaoslab.engine.exercise import Exercise
from chaoslab.engine.journal import plain_journal, settle_status, write_journal
from chaoslab.engine.labvalues import resolve_lab
from chaoslab.engine.opening import Wishes, open_run
from chaoslab.engine.planning import plan_of
from chaoslab.engine.telling import silent
from chaoslab.engine.variables import Variables
from chaoslab.runtime.runlog import NAME, each_event

REPORTS_VARIABLE = "CHAOSLAB_REPORTS"
CONFIRMED_VARIABLE = "CHAOSLAB_YES"
"""Names of production targets, separated by commas: `chaos run` has no place for `--yes`."""
_logger = logging.getLogger("chaostoolkit")


def prepare_plain_run(
    experiment: Mapping[str, Any], configuration: MutableMapping[str, Any], secrets: Mapping[str, Any]
) -> Exercise:
    """Open a run for a file that `chaos run` has loaded; its lab values are filled into the live configuration.

    Raises:
        BadFile: the file is not as it must be.
        Refused: a guard said no.
    """
    spec = _spec_of(experiment)
    declared = spec.document.get("configuration") or {}
    configuration.update(resolve_lab(dict(configuration), declared=declared))
    dynamic = tuple(
        name for name, value in declared.items() if isinstance(value, dict) and value.get("type") == "probe"
    )
    variables = Variables(dict(configuration), dynamic=dynamic, secrets=secrets, given_secrets={})
    confirmed = frozenset(filter(None, os.environ.get(CONFIRMED_VARIABLE, "").split(",")))
    wishes = Wishes(reports=Path(os.environ.get(REPORTS_VARIABLE) or "reports"), confirmed=confirmed)
    planned = plan_of(spec, variables, reports=wishes.reports, confirmed=confirmed)
    exercise, refusals = open_run(spec, variables, planned, wishes, tell=silent)
    if refusals:
        exercise.finish({"status": "refused"})
        raise Refused(refusals[0].guard, "; ".join(refused.reason for refused in refusals))
    stack = ExitStack()
    stack.enter_context(listening(exercise.session.secrets, on_control_failed=exercise.control_failed))
    exercise.on_end(stack)
    return exercise


def finish_plain_run(exercise: Exercise, journal: MutableMapping[str, Any]) -> None:
    """End the run and make its verdict count: the journal that `chaos run` writes says failed unless it passed.

    The journal is stripped of secrets too, as the engine writes it where it likes.
    """
    exercise.finish(journal)
    session = exercise.session
    if exercise.unwritten:
        journal["status"] = "failed"
        _logger.error(f"chaoslab: the run could not be written down: {exercise.unwritten}")
        return
    try:
        verdict = judge(record_of(each_event(session.folder / NAME)))
    except (OSError, ValueError) as error:
        journal["status"] = "failed"  # the engine swallows what a control raises, and would exit 0
        _logger.error(f"chaoslab: the run log cannot be read back: {error}")
        return
    settle_status(journal, verdict)
    if exercise.stopper.reason:
        reason = exercise.stopper.reason
        journal["interruption"] = {"kind": "signal", "name": reason, "reason": f"stopped by {reason}"}
    write_journal(journal, session)
    journal.update(plain_journal(journal, session))
    tell = _logger.info if verdict.outcome == "passed" else _logger.error
    tell(f"chaoslab: {verdict.outcome}. {'; '.join(verdict.reasons)}".strip())
    _logger.info(f"chaoslab: `chaoslab report {session.folder}` makes the report")


def _spec_of(experiment: Mapping[str, Any]) -> Spec:
    """Read the file again from where `chaos run` had it, so that problems have places; else take what it loaded."""
    for argument in reversed(sys.argv[1:]):
        path = Path(argument)
        if path.suffix in {".yaml", ".yml", ".json"} and path.is_file():
            spec = parse_spec(path.read_bytes(), argument)
            if spec.document.get("method") == experiment.get("method"):
                return spec
    loaded = {key: value for key, value in experiment.items() if key != "dry"}
    return parse_spec(json.dumps(loaded, default=str), "experiment.json")
