"""Who asks the system while an exercise runs, and what stops it: told by the plan, for a prober is load too."""

from collections.abc import Iterator

from chaoslab.core.extension import Extension, ProbeProber, Prober
from chaoslab.core.plan import PlannedWatch
from chaoslab.core.units import format_duration
from chaoslab.engine.variables import Variables, filled


def watching_of(extension: Extension, variables: Variables) -> Iterator[PlannedWatch]:
    """Yield the probers and the tripwires of a file, its variables filled in."""
    for prober in extension.probers:
        asked = _asked(prober, variables)
        if asked:
            rate = filled(prober.rate_hz, variables)
            pace = f"{float(rate):g} a second, each at most {format_duration(prober.timeout)}"
            yield PlannedWatch("prober", f"{prober.name}: {asked}, {pace}")
    for tripwire in extension.tripwires:
        yield PlannedWatch("tripwire", f"{tripwire.name}: bad for {format_duration(tripwire.bad_for)} stops the run")


def _asked(prober: Prober | ProbeProber, variables: Variables) -> str:
    """Say what a prober asks; '' where its address comes to nothing, for it is left out then."""
    if isinstance(prober, ProbeProber):
        return f"{prober.probe.module}.{prober.probe.func}"
    url = str(filled(prober.url, variables) or "").strip()
    mix = f"{len(prober.requests)} kinds of requests to " if prober.requests else f"{prober.method} "
    return f"{mix}{url}" if url else ""
