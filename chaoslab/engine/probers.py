"""The probers and tripwires that a file declares: read by the plan, started and stopped by the exercise."""

import importlib
import json
from collections.abc import Callable, Iterator

from chaoslab.core.errors import BadUsage, Problem
from chaoslab.core.extension import Extension, ProbeCall, ProbeProber, ProberTripwire, ProbeTripwire
from chaoslab.core.extension import Prober as DeclaredProber
from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.references import known_of
from chaoslab.core.spec import EXTENSION, Spec
from chaoslab.engine.asking import AskingProber
from chaoslab.engine.exercise import Watcher
from chaoslab.engine.modules import wrong_argument
from chaoslab.engine.tripwires import watcher_of
from chaoslab.engine.variables import Variables, filled
from chaoslab.http.prober import Prober, check_pace
from chaoslab.http.workload import Wanted, Workload
from chaoslab.runtime.fault import fault_of
from chaoslab.runtime.fitting import check_arguments
from chaoslab.runtime.session import Session
from chaoslab.runtime.steps import phase_of


def watchers_of(extension: Extension, variables: Variables, session: Session) -> list[Watcher]:
    """Return what looks on while the exercise runs, the probers first.

    A prober whose address comes to nothing (the system under test has no such part) is left out, and said so.
    """
    left_out = set()
    watchers: list[Watcher] = []
    for declared in extension.probers:
        if isinstance(declared, ProbeProber):
            watchers.append(_asking(declared, variables, session))
        elif url := _address(declared, variables):
            watchers.append(_prober(declared, url, variables, session))
        else:
            left_out.add(declared.name)
    for name in sorted(left_out):
        session.finding("prober-left-out", severity="note", where=name, message="there is no address that it could ask")
    watchers += _tripwires(extension, variables, session, left_out)
    return watchers


def wrong_watchers(spec: Spec, variables: Variables) -> list[Problem]:
    """Return what makes no sense about the probers and tripwires of a file, its variables filled in.

    Found out by the run, an argument that makes no sense would look like a service that answers badly.
    """
    notes = Notes(spec.file, spec.positions)
    index = [one["name"] for one in spec.document["extensions"]].index(EXTENSION)
    notes.extension = ("extensions", index)
    assert spec.extension is not None
    for number, declared in enumerate(spec.extension.probers):
        path: Path = (*notes.extension, "probers", number)
        if isinstance(declared, ProbeProber):
            _read_call(declared.probe, (*path, "probe"), variables, notes)
        elif url := _address(declared, variables):
            _read_prober(declared, url, path, variables, notes)
    for number, tripwire in enumerate(spec.extension.tripwires):
        if isinstance(tripwire, ProbeTripwire):
            _read_call(tripwire.probe, (*notes.extension, "tripwires", number, "probe"), variables, notes)
    return notes.problems


def _read_prober(declared: DeclaredProber, url: str, path: Path, variables: Variables, notes: Notes) -> None:
    """Note what makes no sense about a prober of an address."""

    def try_to(read: Callable[[], object], key: str) -> None:
        try:
            read()
        except BadUsage as error:
            notes.wrong((*path, key), "bad-value", str(error))

    pace = "rate_hz" if "rate_hz" in declared.model_fields_set else "name"
    try_to(lambda: check_pace(declared.name, _rate_hz(declared, variables), declared.timeout), pace)
    try_to(lambda: Workload(_wanted(declared, url, variables)), "requests" if declared.requests else "url")


def _read_call(call: ProbeCall, path: Path, variables: Variables, notes: Notes) -> None:
    """Note what makes no sense about the arguments of a function of ours; that it is there is known."""
    function = getattr(importlib.import_module(call.module), call.func)
    if fault_of(function) is not None:
        notes.wrong((*path, "func"), "bad-value", "injects a fault, and whoever looks on only looks")
    elif phase_of(function) is not None:
        try:
            check_arguments(function, known_of(filled(call.arguments, variables)))
        except BadUsage as error:
            wrong_argument(error, (*path, "arguments"), notes)


def _address(declared: DeclaredProber, variables: Variables) -> str:
    """Return the address that a prober asks; '' where it comes to nothing."""
    url = filled(declared.url, variables)
    return str(url).strip() if url and known_of({"url": str(url)}) else ""


def _prober(declared: DeclaredProber, url: str, variables: Variables, session: Session) -> Watcher:
    return Prober(
        name=declared.name,
        url=url,
        rate_hz=_rate_hz(declared, variables),
        timeout_s=declared.timeout,
        requests=_wanted(declared, url, variables),
        sampler=session.sampler(declared.name),
        clock=session.clock,
    )


def _wanted(declared: DeclaredProber, url: str, variables: Variables) -> list[Wanted]:
    """Return what a prober asks: its one address, or its mix."""
    return [
        Wanted(
            url=url + str(filled(one.path, variables)),
            method=one.method,
            weight=one.weight,
            expect=one.expect,
            body=json.dumps(filled(one.body, variables)).encode() if one.body else b"",
        )
        for one in declared.requests
    ] or [Wanted(url, declared.method, expect=declared.expect)]


def _rate_hz(declared: DeclaredProber, variables: Variables) -> float:
    """Return the rate of a prober, which must be a number by now.

    Raises:
        BadUsage: it is none.
    """
    value = filled(declared.rate_hz, variables)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadUsage(f"prober {declared.name}: rate_hz: {value!r} is no number of requests per second") from None


def _asking(declared: ProbeProber, variables: Variables, session: Session) -> Watcher:
    function = getattr(importlib.import_module(declared.probe.module), declared.probe.func)
    arguments = {name: filled(value, variables) for name, value in declared.probe.arguments.items()}
    return AskingProber(
        declared.name,
        lambda: function(**arguments),
        sampler=session.sampler(declared.name),
        rate_hz=declared.rate_hz,
        timeout_s=declared.timeout,
        clock=session.clock,
    )


def _tripwires(extension: Extension, variables: Variables, session: Session, left_out: set[str]) -> Iterator[Watcher]:
    for tripwire in extension.tripwires:
        if isinstance(tripwire, ProberTripwire):
            if tripwire.prober in left_out:
                continue
        else:
            arguments = filled(tripwire.probe.arguments, variables)
            tripwire = tripwire.model_copy(update={"probe": tripwire.probe.model_copy(update={"arguments": arguments})})
        yield watcher_of(session, tripwire)
