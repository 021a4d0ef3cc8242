"""A run in progress. Our actions refuse to act without one: it is what undoes them."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from chaoslab.core.errors import Aborted, NoSession
from chaoslab.runtime import claims
from chaoslab.runtime.clock import Clock, SystemClock
from chaoslab.runtime.effect import await_effect
from chaoslab.runtime.fault import Fault, Pinned, fault_of, places_of, reference_of, short_name_of, strike_by
from chaoslab.runtime.ledger import Entry, Role, UndoLedger
from chaoslab.runtime.locks import TargetLock
from chaoslab.runtime.places import private_folder, state_folder
from chaoslab.runtime.reaper import Reaper
from chaoslab.runtime.runlog import NAME, RunLog
from chaoslab.runtime.sampling import Sampler
from chaoslab.runtime.secrets import Secrets
from chaoslab.runtime.undoing import Undoing, expired, named

Severity = Literal["failure", "unknown", "warning", "note"]
Outcome = Literal["ok", "failed", "unknown"]


class Session:
    """One run: its clock, run log, undo ledger, reaper, locks and samplers."""

    def __init__(
        self,
        run_id: str,
        folder: Path,
        *,
        clock: Clock | None = None,
        secrets: Secrets | None = None,
        state: Path | None = None,
    ) -> None:
        """Begin a run whose log lies in `folder`, and make it the current one.

        Raises:
            OSError: the folder cannot be written.
        """
        self.run_id = run_id
        self.folder = folder = folder.absolute()  # the reaper works from another folder
        self.clock = clock or SystemClock()
        self.secrets = secrets or Secrets()
        self.state = private_folder(state or state_folder())
        folder.mkdir(parents=True, exist_ok=True)
        self.log = RunLog.create(folder / NAME, clock=self.clock, secrets=self.secrets)
        self.on_abort: Callable[[str], None] = lambda reason: None
        """Called once, from any thread, when the run is to stop."""
        self._aborting = threading.Event()
        self._abort_reason = ""
        self._locks: list[TargetLock] = []
        self._samplers: dict[str, Sampler] = {}
        self._ledger: UndoLedger | None = None
        self._reaper: Reaper | None = None
        _make_current(self)

    def now_s(self) -> float:
        """Return the seconds since the run began."""
        return self.log.now_s()

    def start(self, run: Mapping[str, Any], **fields: Any) -> None:
        """Write the first event, which identifies the run."""
        self.log.append("run-started", durable=True, run=dict(run), origin_mono=self.log.origin_mono_s, **fields)

    def lock(self, target: str) -> None:
        """Hold a target until the session closes.

        Raises:
            Refused: another run that is alive holds it.
        """
        lock = TargetLock(self.state, target)
        lock.acquire(self.run_id)
        self._locks.append(lock)

    def mark(self, name: str, at_s: float | None = None) -> None:
        """Note an instant of the exercise: now, or `at_s` seconds into the run."""
        self.log.append("mark", durable=True, name=name, at_s=round(self.now_s() if at_s is None else at_s, 6))

    def figure(self, name: str, value: float | tuple[float, float], unit: str) -> None:
        """Note a measured figure: a number, or (low, high) where only bounds are known."""
        self.log.append("figure", name=name, value=value, unit=unit)

    def part(self, name: str, outcome: Outcome = "ok", **figures: Any) -> None:
        """Note how one of several alike came out, a database of a fleet (`NAME/` begins the `where` of its findings).

        `failed` fails the run, `unknown` leaves it inconclusive. Figures have their units last: `restore_s`, `rows`.
        """
        self.log.append("part", durable=True, name=name, outcome=outcome, figures=figures)

    def progress(self, what: str, done: float, total: float, unit: str, note: str = "") -> None:
        """Let whoever watches know how far it is; nothing of this is kept."""
        self.log.tell("progress", what=what, done=done, total=total, unit=unit, note=note)

    def finding(
        self,
        code: str,
        *,
        where: str,
        message: str,
        expected: Any = None,
        actual: Any = None,
        severity: Severity = "failure",
    ) -> None:
        """Note what is wrong: a `failure` fails the run, an `unknown` leaves it inconclusive."""
        told = {"where": where, "message": message, "expected": expected, "actual": actual}
        self.log.append("finding", durable=True, code=code, severity=severity, **told)

    def sampler(self, name: str) -> Sampler:
        """Return the sampler of a prober; asked twice, the same one."""
        return self._samplers.setdefault(name, Sampler(name, self.log))

    @property
    def samplers(self) -> tuple[str, ...]:
        """The names of the probers that take samples in this run."""
        return tuple(self._samplers)

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is told to stop.

        Raises:
            Aborted: the run is to stop.
        """
        until_s = self.now_s() + seconds
        while (left_s := until_s - self.now_s()) > 0:
            self.check_abort()
            if isinstance(self.clock, SystemClock):
                self._aborting.wait(min(left_s, 0.5))
            else:
                self.clock.sleep(left_s)
        self.check_abort()

    def abort(self, reason: str) -> None:
        """Have the run stop and undo; the first reason counts."""
        if not self._aborting.is_set():
            self._abort_reason = reason
            self._aborting.set()
            self.on_abort(reason)

    def check_abort(self) -> None:
        """Return at once, unless the run is told to stop.

        Raises:
            Aborted: the run is to stop.
        """
        if self._aborting.is_set():
            raise Aborted(self._abort_reason)

    @property
    def aborting(self) -> str:
        """The reason why the run is to stop, or ''."""
        return self._abort_reason if self._aborting.is_set() else ""

    def strike(self, action: Callable[..., Any], pinned: Pinned) -> Any:
        """Inject a fault, written down before and watched over by the reaper; return what inject returned.

        Raises:
            Aborted: the run is to stop, so nothing more is injected.
        """
        fault = fault_of(action)
        assert fault is not None
        self.check_abort()
        entry = self.intend(
            name=short_name_of(action),
            pinned=pinned,
            role=fault.role,
            undo=reference_of(action),
            places=places_of(action, pinned),
        )
        try:
            claims.take(entry, self._ledger_and_reaper()[0].path, self.run_id)
            result = fault.inject(pinned.data)
        except BaseException:
            self.undo(lambda other: other.number == entry.number)  # it may have bitten half
            raise
        self.injected(entry)
        if fault.role == "fault":
            self._watch_effect(fault, entry)
        if fault.momentary:
            self.undone(entry, by="itself")
        return result

    def intend(self, *, name: str, pinned: Pinned, role: Role, undo: str, places: tuple[str, ...] = ()) -> Entry:
        """Write down what is about to be done; when this returns it is on the disk and a reaper listens."""
        ledger, reaper = self._ledger_and_reaper()
        entry = ledger.intend(
            name=name,
            target=pinned.target,
            role=role,
            undo=undo,
            data=pinned.data,
            expires_mono_s=self.clock.mono() + pinned.ttl_s,
            expires_boot_s=self.clock.boot() + pinned.ttl_s,
            claims=claims.paths_of(places, self.state),
        )
        reaper.ledger_changed()
        told: dict[str, Any] = {"name": name, "target": pinned.target, "role": role, "undo": undo}
        self.log.append("fault-intended", entry=entry.number, ttl_s=pinned.ttl_s, **told)
        return entry

    def injected(self, entry: Entry) -> None:
        """Write down that it is done; if its time was over meanwhile, undo it again."""
        ledger, reaper = self._ledger_and_reaper()
        ledger.injected(entry.number)
        reaper.ledger_changed()  # it may have undone before what was not there yet
        self.log.append("fault-injected", entry=entry.number)
        if expired(self.clock.mono(), self.clock.boot())(entry):
            self.undo(lambda other: other.number == entry.number)

    def undone(self, entry: Entry, *, by: Literal["run", "itself"] = "run") -> None:
        """Write down that nothing is left to undo of an entry; `itself`: it was over as soon as it bit."""
        ledger, reaper = self._ledger_and_reaper()
        self.log.append("fault-undone", durable=True, entry=entry.number, by=by)  # first, as in `Undoing`
        ledger.undone(entry.number, "run")
        reaper.ledger_changed()

    def undo(self, wanted: Callable[[Entry], bool] | str = lambda entry: True) -> list[Entry]:
        """Undo open entries, newest first: all, those of a fault's name, or those selected; return the residue."""
        if self._ledger is None:
            return []
        select = named(wanted) if isinstance(wanted, str) else wanted
        residue = Undoing(self._ledger, "run", self.log, self.clock).undo(select)
        if self._reaper:
            self._reaper.ledger_changed()
        return residue

    def open_entries(self) -> list[Entry]:
        """Return what is still to undo, newest first."""
        return self._ledger.open_entries() if self._ledger else []

    def close(self, status: str) -> list[Entry]:
        """Undo all that is open, end the log, give the targets back; return the residue."""
        residue: list[Entry] | None = None
        try:
            residue = self.undo()
            for sampler in self._samplers.values():
                sampler.flush()
            self.log.append("run-ended", durable=True, status=status)
        finally:
            self._let_go(undone=residue is not None)
        return residue

    def _let_go(self, *, undone: bool) -> None:
        """Release what the process holds, also when the run folder cannot be written any more.

        Where the undo itself broke down, as without memory, the reaper is left alone with the ledger and goes on.
        """
        _make_current(None)
        if self._reaper:
            self._reaper.dismiss(done=undone)
        if self._ledger:
            self._ledger.close()
        for lock in self._locks:
            lock.release(self.run_id)
        self.log.close()

    def _ledger_and_reaper(self) -> tuple[UndoLedger, Reaper]:
        """Have both; the first intent makes them, so that a run without faults pays for neither."""
        if self._ledger is None:
            self._ledger = UndoLedger.create(self.state, run_id=self.run_id, folder=self.folder.absolute())
        if self._reaper is None:
            self._reaper = Reaper(self._ledger.path)
        self._reaper.ensure()
        return self._ledger, self._reaper

    def _watch_effect(self, fault: Fault, entry: Entry) -> None:
        """Note whether the fault bites; one without effect proves nothing."""
        effective, detail = await_effect(fault, entry.data, now_s=self.now_s, sleep=self.sleep)
        self.log.append("fault-effective", durable=True, entry=entry.number, effective=effective, detail=detail)
        if not effective:
            message = f"{entry.name} did not bite within {fault.effective_within_s:g} s {detail}".strip()
            self.finding("fault-without-effect", severity="unknown", where=entry.target, message=message)


_current: Session | None = None


def current() -> Session:
    """Return the run in progress.

    Raises:
        NoSession: there is none, so nothing would undo what the caller is about to do.
    """
    if _current is None:
        raise NoSession
    return _current


def has_session() -> bool:
    """Say whether a run is in progress."""
    return _current is not None


def _make_current(session: Session | None) -> None:
    global _current
    _current = session
    strike_by(session.strike if session else None)
