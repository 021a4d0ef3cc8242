"""The Chaos Toolkit control: declared by our own files, added to the files of others by `chaoslab run`.

Under `chaoslab run` it serves the exercise that the runner has prepared. Under plain `chaos run` it prepares one
itself, and refuses where it cannot. The engine swallows every exception of a control but InterruptExecution, so
everything that goes wrong in here becomes one: a gate that fails closed.
"""

import functools
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from chaoslib.exceptions import InterruptExecution

from chaoslab.core.errors import ChaoslabError
from chaoslab.engine.events import RunEvents
from chaoslab.engine.exercise import Exercise, Halt

MODULE = __name__
_events = RunEvents()
_prepared: Exercise | None = None


def declaration() -> dict[str, Any]:
    """Return the entry that a file's `controls` needs."""
    return {"name": "chaoslab", "provider": {"type": "python", "module": MODULE}}


def is_declared(experiment: Mapping[str, Any]) -> bool:
    """Say whether a file declares this control."""
    return any(control.get("provider", {}).get("module") == MODULE for control in experiment.get("controls") or ())


def prepare(exercise: Exercise) -> RunEvents:
    """Have the next run of the engine in this process served; return what hears its events."""
    global _prepared, _events
    _prepared, _events = exercise, RunEvents()
    return _events


def forget() -> None:
    """Serve nothing any more."""
    global _prepared
    _prepared = None
    _events.exercise = None


def _fails_closed[**P, R](hook: Callable[P, R]) -> Callable[P, R]:
    """Turn whatever a hook raises into what the engine does not swallow."""

    @functools.wraps(hook)
    def closed(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            if (error := _events.error) is not None:
                _events.error = None
                raise error
            return hook(*args, **kwargs)
        except (InterruptExecution, KeyboardInterrupt):
            raise
        except Exception as error:
            if _events.exercise is not None:
                _events.exercise.broke(error)
            broken = "" if isinstance(error, ChaoslabError) else f"chaoslab broke: {type(error).__name__}: "
            raise Halt(f"{broken}{error}") from error

    return closed


def configure_control(event_registry: Any) -> None:
    """Hear the engine's events; once, though the control be declared twice."""
    if _events not in event_registry.handlers:
        event_registry.register(_events)


@_fails_closed
def before_experiment_control(
    context: MutableMapping[str, Any],
    configuration: MutableMapping[str, Any],
    secrets: Mapping[str, Any],
) -> None:
    """Begin the exercise, or refuse it."""
    if _events.exercise is not None and not _events.exercise.finished:
        return  # declared twice
    exercise = _prepared
    if exercise is None:
        from chaoslab.engine.plainrun import prepare_plain_run

        exercise = prepare_plain_run(context, configuration, secrets)
    _events.exercise = exercise
    exercise.begin(context, configuration, secrets)


@_fails_closed
def after_hypothesis_control(context: Mapping[str, Any], state: Mapping[str, Any] | None) -> None:
    """Note what came of the hypothesis."""
    if exercise := _events.exercise:
        exercise.hypothesis_ended(state, during=_events.during)


@_fails_closed
def before_method_control(context: MutableMapping[str, Any], configuration: MutableMapping[str, Any]) -> None:
    """Write the file's rollbacks down before anything can need them."""
    _exercise().method_begins(context, configuration)


@_fails_closed
def after_method_control(context: Mapping[str, Any]) -> None:
    """Stop when a background step has failed."""
    _exercise().method_ended()


@_fails_closed
def before_activity_control(
    context: Mapping[str, Any],
    configuration: MutableMapping[str, Any],
    secrets: Mapping[str, Any],
) -> None:
    """Let the step begin, or not."""
    _exercise().before_step(context, configuration, secrets, during=_events.during)


@_fails_closed
def after_activity_control(
    context: Mapping[str, Any],
    state: Mapping[str, Any] | None,
    configuration: MutableMapping[str, Any],
) -> None:
    """Pass its output on, and stop after a step that failed."""
    _exercise().after_step(context, state, configuration, during=_events.during)


def before_rollback_control(context: Mapping[str, Any]) -> None:
    """Know that only undoing follows. This hook raises nothing: it would cancel the rollbacks."""
    if exercise := _events.exercise:
        exercise.rollbacks_begin()


def after_experiment_control(context: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
    """End the exercise; the journal says failed when our verdict is not passed."""
    _finish(state)


def cleanup_control() -> None:
    """End the exercise when an exception has left the engine past its last hook."""
    if (error := sys.exception()) is not None and _events.exercise:
        _events.exercise.escaped(error)
    _finish(_events.journal)


def _finish(journal: MutableMapping[str, Any]) -> None:
    exercise = _events.exercise
    if exercise is None or exercise.finished:
        return
    if _prepared is None:
        from chaoslab.engine.plainrun import finish_plain_run

        finish_plain_run(exercise, journal)
    else:
        exercise.finish(journal)


def _exercise() -> Exercise:
    if _events.exercise is None:
        raise Halt("no exercise is in progress")
    return _events.exercise
