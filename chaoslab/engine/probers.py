"""The probers and tripwires that a file declares, for the exercise to start and to stop."""

import importlib
import json
from collections.abc import Iterator

from chaoslab.core.errors import BadUsage
from chaoslab.core.extension import Extension, ProbeProber, ProberTripwire
from chaoslab.core.extension import Prober as DeclaredProber
from chaoslab.engine.asking import AskingProber
from chaoslab.engine.exercise import Watcher
from chaoslab.engine.tripwires import watcher_of
from chaoslab.engine.variables import Variables, filled
from chaoslab.runtime.session import Session


def watchers_of(extension: Extension, variables: Variables, session: Session) -> list[Watcher]:
    """Return what looks on while the exercise runs, the probers first.

    A prober whose address comes to nothing (the system under test has no such part) is left out, and said so.
    """
    left_out = set()
    watchers: list[Watcher] = []
    for declared in extension.probers:
        if isinstance(declared, ProbeProber):
            watchers.append(_asking(declared, variables, session))
            continue
        url = str(filled(declared.url, variables))
        if url.startswith(("http://", "https://")):
            watchers.append(_prober(declared, url, variables, session))
        else:
            left_out.add(declared.name)
    for name in sorted(left_out):
        session.finding("prober-left-out", severity="note", where=name, message="there is no address that it could ask")
    watchers += _tripwires(extension, variables, session, left_out)
    return watchers


def _prober(declared: DeclaredProber, url: str, variables: Variables, session: Session) -> Watcher:
    from chaoslab.http.prober import Prober
    from chaoslab.http.workload import Wanted

    requests = [
        Wanted(
            url=url + str(filled(one.path, variables)),
            method=one.method,
            weight=one.weight,
            expect=one.expect,
            body=json.dumps(filled(one.body, variables)).encode() if one.body else b"",
        )
        for one in declared.requests
    ]

    return Prober(
        name=declared.name,
        url=url,
        rate_hz=_rate_hz(declared, variables),
        timeout_s=declared.timeout,
        expect=declared.expect,
        method=declared.method,
        requests=requests,
        sampler=session.sampler(declared.name),
        clock=session.clock,
    )


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
