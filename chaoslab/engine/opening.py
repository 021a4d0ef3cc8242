"""Open a run: its folder, its session, the first event of its run log, and the gate before anything is touched."""

import os
import platform
import re
import secrets as chance
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import chaoslab
from chaoslab.core.checks.proving import why_nothing_is_proved
from chaoslab.core.errors import Refused
from chaoslab.core.spec import Spec
from chaoslab.core.toolkit import HYPOTHESIS
from chaoslab.engine.exercise import Exercise, Watcher
from chaoslab.engine.guards import check
from chaoslab.engine.lasting import ending_too_soon
from chaoslab.engine.planning import Planned
from chaoslab.engine.telling import Tell, Teller
from chaoslab.engine.variables import Variables
from chaoslab.runtime.clock import Clock, SystemClock, stamp
from chaoslab.runtime.places import private_folder, state_folder
from chaoslab.runtime.secrets import Secrets
from chaoslab.runtime.session import Session

_PACKAGES = ("chaostoolkit", "chaostoolkit-lib", "psycopg", "chaostoolkit-kubernetes", "boto3")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person who starts a run can choose."""

    reports: Path = Path("reports")
    confirmed: frozenset[str] = field(default_factory=frozenset)
    """Names of production targets that were typed."""
    seed: int | None = None
    agreed_plan: str = ""
    """The digest of the plan that was agreed on; '' takes the plan as it is now."""
    verbose: bool = False
    state: Path | None = None
    """The state folder, when it is not the user's."""


def open_run(
    spec: Spec, variables: Variables, planned: Planned, wishes: Wishes, *, tell: Tell, clock: Clock | None = None
) -> tuple[Exercise, list[Refused]]:
    """Begin a run and ask its guards; with refusals, the caller closes it without running anything.

    Raises:
        Refused: the reports folder or the state folder cannot be written.
    """
    clock = clock or SystemClock()
    started, slug = clock.wall(), _slug(spec.name)
    name = f"{started:%Y%m%dT%H%M%SZ}-{slug}"
    run_id = f"{name}-{chance.token_hex(3)}"
    secrets = Secrets()
    variables.register(secrets)
    session = _session(run_id, name, wishes, clock=clock, secrets=secrets)
    try:
        with ExitStack() as on_error:
            on_error.callback(session.close, "aborted")
            teller = Teller(tell)
            session.log.listener = teller.take
            seed = chance.randbits(32) if wishes.seed is None else wishes.seed
            about = {"id": run_id, "slug": slug, "started_at": stamp(started), "seed": seed}
            session.start(
                {**about, **_about(spec, planned)},
                objectives=[objective.to_json() for objective in spec.objectives],
                targets=[f"{target.kind} {target.address}" for target in planned.plan.targets],
            )
            _tell_beforehand(spec, planned, session)
            watchers = _watchers(spec, variables, session)
            exercise = Exercise(session, teller=teller, variables=variables, watchers=watchers, seed=seed)
            refusals = _refusals(planned, session, wishes)
            on_error.pop_all()
    except OSError as error:
        raise _unwritable(error, wishes) from error
    return exercise, refusals


def _tell_beforehand(spec: Spec, planned: Planned, session: Session) -> None:
    """Note what is known to come out of the run before it has begun."""
    for where, message in ending_too_soon(planned.plan.steps):
        session.finding("time-to-live-too-short", severity="warning", where=where, message=message)
    if why := why_nothing_is_proved(spec):
        session.finding("hypothesis-proves-nothing", severity="unknown", where=HYPOTHESIS, message=why)


def _about(spec: Spec, planned: Planned) -> dict[str, Any]:
    """Return what identifies a run besides its id and its time."""
    return {
        "title": planned.plan.title,
        "description": spec.description,
        "kind": spec.kind,
        "file": spec.file,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "versions": versions(),
        "plan_sha256": planned.plan.digest,
        "blast_radius": planned.plan.blast_radius,
    }


def _watchers(spec: Spec, variables: Variables, session: Session) -> list[Watcher]:
    if spec.extension is None:
        return []
    from chaoslab.engine.probers import watchers_of  # brings the models of probers along

    return watchers_of(spec.extension, variables, session)


def versions() -> Mapping[str, Any]:
    """Return the versions of everything that a run rests on."""
    found = {"chaoslab": chaoslab.__version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _refusals(planned: Planned, session: Session, wishes: Wishes) -> list[Refused]:
    refusals = check(planned.gate, session)
    if wishes.agreed_plan and wishes.agreed_plan != planned.plan.digest:
        refusals.append(Refused("plan", "the world no longer matches the plan that was agreed on; make it anew"))
    for refused in refusals:
        session.log.append("refused", durable=True, guard=refused.guard, reason=refused.reason)
    return refusals


def _session(run_id: str, name: str, wishes: Wishes, *, clock: Clock, secrets: Secrets) -> Session:
    try:
        private_folder(wishes.state or state_folder())  # before the run's own folder, which would be left behind empty
        folder = _new_folder(wishes.reports, name)
        return Session(run_id, folder, clock=clock, secrets=secrets, state=wishes.state)
    except OSError as error:
        raise _unwritable(error, wishes) from error


def _unwritable(error: OSError, wishes: Wishes) -> Refused:
    """Return the refusal of a run that cannot even be begun to be written down, by the folder that is meant."""
    state, place = wishes.state or state_folder(), Path(error.filename or wishes.reports).absolute()
    told = f"cannot write {error.filename or wishes.reports}: {error.strerror}"
    if state in (place, *place.parents) or place in state.parents:
        return Refused("state", f"{told}; make it writable, or choose another state folder with XDG_STATE_HOME")
    return Refused("reports", f"{told}; make it writable, or choose another folder with --reports")


def _new_folder(reports: Path, name: str) -> Path:
    """Make the run's folder; a second run of the same second gets a number."""
    reports.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        folder = reports / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(17, "there are too many runs of one second", str(reports / name))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "exercise"
