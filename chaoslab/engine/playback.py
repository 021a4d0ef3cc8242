"""Have Chaos Toolkit play one exercise in this process."""

from collections.abc import MutableMapping
from typing import Any

from chaoslib.exceptions import InterruptExecution
from chaoslib.experiment import run_experiment

from chaoslab.engine import control
from chaoslab.engine.chaoslog import listening, quiet
from chaoslab.engine.exercise import Exercise
from chaoslab.engine.strategy import strategy_of

_SIGTERM_TOO_EARLY = "SIGTERM signal received"
"""What the engine says while it is setting up and has its own handler in place."""


def play(experiment: dict[str, Any], exercise: Exercise, *, verbose: bool = False) -> MutableMapping[str, Any]:
    """Run the file to its end, whatever that is, and leave nothing open; return the journal. Main thread only."""
    events = control.prepare(exercise)
    if not control.is_declared(experiment):
        experiment["controls"] = [control.declaration(), *(experiment.get("controls") or ())]
    secrets = exercise.session.secrets
    with quiet(verbose=verbose), listening(secrets, on_control_failed=exercise.control_failed):
        try:
            exercise.arm()
            _run(experiment, exercise)
        except (KeyboardInterrupt, InterruptExecution) as stop:
            exercise.cut_off("SIGTERM" if _SIGTERM_TOO_EARLY in str(stop) else "SIGINT")
        except Exception as error:
            exercise.escaped(error)
        finally:
            exercise.finish(events.journal)
            exercise.stopper.restore()
            control.forget()
    return events.journal


def _run(experiment: dict[str, Any], exercise: Exercise) -> None:
    variables = exercise.variables
    run_experiment(
        experiment,
        # Whether there is something to undo is decided by us: rollbacks appear when the method begins.
        settings={"runtime": {"rollbacks": {"strategy": "always"}}},
        # The engine empties what it is given.
        experiment_vars=(dict(variables.configuration), dict(variables.given_secrets)),
        strategy=strategy_of(experiment),
    )
