"""One exercise in progress: what the runner, the control and the event handler share."""

import random
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NoReturn, Protocol

from chaoslib.exceptions import InterruptExecution

from chaoslab.core.errors import Refused
from chaoslab.engine.children import Programs
from chaoslab.engine.foreign import Rollbacks, surroundings_of
from chaoslab.engine.outcomes import Activity, Run, StepOutcome
from chaoslab.engine.signals import Stopper
from chaoslab.engine.steps import Section, StepLog, give_timeouts, is_ours, unresolved_name
from chaoslab.engine.telling import Teller
from chaoslab.engine.undoer import Undoer
from chaoslab.engine.variables import Variables, register_values
from chaoslab.runtime.ledger import Entry
from chaoslab.runtime.session import Session


class Halt(InterruptExecution):
    """Our own way to stop the engine; an InterruptExecution that is none comes from somebody else's control."""


class Watcher(Protocol):
    """Something that looks on while the exercise runs: a prober, a tripwire."""

    def start(self) -> None:
        """Begin to look."""

    def stop(self) -> None:
        """Look no more; return when nothing of it runs any longer."""


class Exercise:
    """Steers one run: decides whether the next step may begin, and leaves nothing behind at the end."""

    def __init__(
        self,
        session: Session,
        *,
        teller: Teller,
        variables: Variables,
        watchers: Sequence[Watcher] = (),
        seed: int = 0,
    ) -> None:
        self.session = session
        self.steps = StepLog(session)
        self.section: Section = "before"
        self.variables = variables
        self._undoer = Undoer(session)
        self.stopper = Stopper(on_stop=self._undoer.soon, on_again=teller.remind)
        self._rollbacks = Rollbacks(session)
        self._programs = Programs(session)
        self._declared: list[Activity] = []
        self._failed = ""
        self._failed_controls: set[str] = set()
        self._deviations = [0, 0]
        self._teller = teller
        self._watchers = watchers
        self._seed = seed
        self._open = ExitStack()
        self.finished = False
        self.residue: list[Entry] = []
        self.unwritten = ""
        """Why the run log could not be written to its end; everything is undone all the same."""
        session.on_abort = self.stopper.stop

    def on_end(self, stack: ExitStack) -> None:
        """Have something closed when the exercise ends."""
        self._open.push(stack)

    # What the control calls, in the order in which the engine does.

    def arm(self) -> None:
        """Take the signals over; from here on `finish` must be called."""
        self._undoer.start()
        self.stopper.install()

    def begin(
        self, experiment: MutableMapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any]
    ) -> None:
        """Take over before anything of the file runs: its rollbacks wait for its method.

        Raises:
            Refused: a value that a probe was to find is not there; the engine would go on without it.
        """
        self.arm()  # again: the engine has put handlers of its own
        register_values(configuration, self.session.secrets)
        self.steps.know(configuration, secrets)
        if missing := [name for name in self.variables.dynamic if name not in configuration]:
            self.refuse("configuration", f"no probe could find the value of {', '.join(missing)}")
        give_timeouts(experiment)
        random.seed(self._seed)  # what Python code of a file chooses at random, the same seed chooses again
        self._declared = list(experiment.get("rollbacks") or ())
        experiment["rollbacks"] = []
        for watcher in self._watchers:
            self._open.callback(watcher.stop)
            watcher.start()

    def refuse(self, guard: str, reason: str) -> NoReturn:
        """Note that the exercise may not go on, and say so.

        Raises:
            Refused: always.
        """
        self.session.log.append("refused", durable=True, guard=guard, reason=reason)
        raise Refused(guard, reason)

    def hypothesis_ended(self, state: Mapping[str, Any] | None, *, during: bool) -> None:
        """Note what came of a hypothesis; `state` is the engine's."""
        met = (state or {}).get("steady_state_met")
        self.steps.settle(broken=state is not None and met is None)
        if during:
            self._deviations[0] += not met
            self._deviations[1] += 1
        elif state is not None and not self.session.aborting:
            bad = [run["activity"]["name"] for run in state["probes"] if not run.get("tolerance_met")]
            if met is None:  # the engine broke off at the last one that it asked
                bad = [run["activity"]["name"] for run in state["probes"][-1:]]
            self.session.log.append(
                "hypothesis",
                when=self.section,
                met=bool(met),
                failed_probe=None if met else (bad or [""])[-1],
            )

    def method_begins(self, experiment: MutableMapping[str, Any], configuration: Mapping[str, Any]) -> None:
        """Give the file its rollbacks back, each of them written down first."""
        self.section = "method"
        surroundings = surroundings_of(
            configuration, secrets=experiment.get("secrets") or {}, secret_files=self.variables.files
        )
        with self.stopper.held():
            self._rollbacks.intend(self._declared, surroundings)
            if self.stopper.reason:
                self._rollbacks.withdraw()
            else:
                experiment["rollbacks"] = self._declared

    def before_step(
        self, activity: Activity, configuration: Mapping[str, Any], secrets: Mapping[str, Any], *, during: bool
    ) -> None:
        """Let a step begin.

        Raises:
            Halt: it must not: the run is to stop, or a step before it has failed.
        """
        if self.section == "rollbacks":
            return
        if self.session.aborting:
            raise Halt(self.session.aborting)
        if self.section == "method" and self._failed:
            raise Halt(self._failed)
        if not during and (name := unresolved_name(activity, configuration, secrets)):
            self._judge(
                activity, self.steps.refuse(activity, self.section, f"nothing has set ${{{name}}} before this step")
            )

    def step_begins(self, activity: Activity) -> None:
        """Note it in the run log, and in the ledger if what it starts could outlive the run."""
        self.steps.begin(activity, self.section)
        if self.section == "method":
            self._programs.begin(activity)

    def step_ended(self, activity: Activity, run: Run, error: BaseException | None) -> None:
        """Note it in the run log, and remember a failure that must not be followed by the next step."""
        outcome = self.steps.end(activity, run, error=error)
        self._programs.ended(activity, well=outcome is not None and outcome.outcome == "ok")
        if outcome is not None:
            self._remember(activity, outcome)

    def after_step(
        self, activity: Activity, run: Run | None, configuration: MutableMapping[str, Any], *, during: bool
    ) -> None:
        """Pass the step's output on to later ones.

        Raises:
            Halt: the next step must not follow.
        """
        name = str(activity["name"])
        is_free = name not in self.variables.configuration and name not in self.variables.dynamic
        if run and run.get("status") == "succeeded" and self.section == "method" and not during and is_free:
            configuration[name] = run["output"]
        if self.section == "method" and self._failed:
            raise Halt(self._failed)

    def method_ended(self) -> None:
        """Let the engine go on to the hypothesis.

        Raises:
            Halt: a background step failed while nothing else followed it.
        """
        if self._failed:
            raise Halt(self._failed)

    def rollbacks_begin(self) -> None:
        """From here on only undoing happens: signals are answered, and nothing more."""
        self.section = "rollbacks"
        self.stopper.shield()

    def control_failed(self, name: str, error: str) -> None:
        """Note that the engine goes on without a control, which may have been a guard."""
        if not self.finished and name not in self._failed_controls:
            self._failed_controls.add(name)
            self.session.finding(
                "control-failed",
                severity="unknown",
                where=name,
                message=f"the control failed and the engine went on without it: {error}",
            )

    def interrupted(self, error: BaseException | None) -> None:
        """Note that a control or an activity of the file has stopped the engine."""
        if not isinstance(error, Halt) and not self.finished:
            self.session.finding(
                "stopped-by-file",
                severity="unknown",
                where=self.section,
                message=f"something in the file stopped the run: {error}",
            )

    def broke(self, error: Exception) -> None:
        """Note that one of our own hooks has failed; the run stops there."""
        if not self.finished and not isinstance(error, Refused):
            with suppress(OSError):
                self._engine_error(f"chaoslab broke: {type(error).__name__}: {error}")

    def cut_off(self, reason: str) -> None:
        """Note a stop that another handler than ours has heard."""
        if not self.stopper.reason:
            self.stopper.reason = reason
            self._undoer.soon(reason)

    def escaped(self, error: BaseException) -> None:
        """Note that an exception has left the engine itself, which then plays no rollbacks."""
        if not self.finished and not isinstance(error, KeyboardInterrupt):
            self._engine_error(f"the run ended early: {type(error).__name__}: {error}")

    def finish(self, journal: MutableMapping[str, Any]) -> None:
        """Undo what is open, end the run log, let go of everything. A second call does nothing."""
        self.stopper.shield()  # first: a signal from here on must not end this half-way
        if self.finished:
            return
        self.finished = True
        with ExitStack() as stack:
            stack.callback(self.stopper.restore)
            stack.callback(self._teller.close)
            stack.push(self._open)
            self._undoer.wait()
            with suppress(OSError):
                self._note_deviations()
                self.steps.settle()
            self.session.undo()  # while the probers still look: they see how the system comes back
            self._open.close()
            journal["status"] = journal.get("status") or ("interrupted" if self.stopper.reason else "aborted")
            try:
                self.residue = self.session.close(journal["status"])
            except OSError as error:
                self.unwritten = str(error)

    # Behind the scenes.

    def _engine_error(self, message: str) -> None:
        self.session.finding("engine-error", severity="unknown", where=self.section, message=message)

    def _judge(self, activity: Activity, outcome: StepOutcome) -> None:
        self._remember(activity, outcome)
        raise Halt(outcome.error)

    def _remember(self, activity: Activity, outcome: StepOutcome) -> None:
        if self.section == "rollbacks":
            if outcome.outcome == "ok":
                self._rollbacks.played(activity)
        elif (
            self.section == "method"
            and outcome.outcome in {"failed", "aborted"}
            and (activity.get("type") == "action" or is_ours(activity))
        ):
            self._failed = self._failed or f"step {activity.get('name')} {outcome.outcome}: {outcome.error}"

    def _note_deviations(self) -> None:
        bad, asked = self._deviations
        if bad:
            self.session.finding(
                "hypothesis-deviated",
                where="method",
                message=f"the steady state was not met {bad} of {asked} times while the method ran",
                expected=0,
                actual=bad,
            )
