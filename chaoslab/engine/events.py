"""Chaos Toolkit's event handler: the better place for timing, as it leaves out pauses and other controls."""

import sys
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any

from chaoslib.run import RunEventHandler

from chaoslab.engine.exercise import Exercise


class RunEvents(RunEventHandler):
    """Tells the exercise what happens. The engine swallows what is raised here, so it is kept for the control."""

    def __init__(self) -> None:
        self.exercise: Exercise | None = None
        self.journal: MutableMapping[str, Any] = {}
        self.error: Exception | None = None
        """What went wrong in here; the next hook of the control raises it where it is not swallowed."""
        self._local = threading.local()

    @property
    def during(self) -> bool:
        """Whether this thread asks the hypothesis continuously while the method runs."""
        return bool(getattr(self._local, "during", False))

    def running(
        self,
        experiment: Mapping[str, Any],
        journal: MutableMapping[str, Any],
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any],
        schedule: Any,
        settings: Mapping[str, Any],
    ) -> None:
        """Keep the journal: a run that raises out of the engine returns none."""
        self.journal = journal

    def interrupted(self, experiment: Mapping[str, Any], journal: Mapping[str, Any]) -> None:
        """Note who has stopped the engine; what stopped it is just being handled."""
        if self.exercise:
            self.exercise.interrupted(sys.exception())

    def start_continuous_hypothesis(self, frequency: int) -> None:
        """Know this thread."""
        self._local.during = True

    def start_hypothesis_before(self, experiment: Mapping[str, Any]) -> None:
        """Know where in the file the engine is."""
        self._enter("before")

    def start_hypothesis_after(self, experiment: Mapping[str, Any]) -> None:
        """Know where in the file the engine is."""
        self._enter("after")

    def start_activity(self, activity: Mapping[str, Any]) -> None:
        """Note that a step begins."""
        if self.exercise and not self.during:
            try:
                self.exercise.step_begins(activity)
            except Exception as error:
                self.error = error

    def activity_completed(self, activity: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        """Note that a step is over; when it was cut off, the exception is still on its way."""
        if self.exercise and not self.during:
            error = sys.exception() if "status" not in run else None
            try:
                self.exercise.step_ended(activity, run, error)
            except Exception as problem:
                self.error = problem

    def _enter(self, section: Any) -> None:
        if self.exercise:
            self.exercise.section = section
