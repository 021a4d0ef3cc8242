"""Rules about probes of the hypothesis that cannot fail, because they do not look at the system at all."""

from __future__ import annotations

from collections.abc import Iterator

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.tolerances import judged
from chaoslab.core.checks.view import Step, View
from chaoslab.core.spec import Spec

_BLIND_FUNCTIONS = tuple(f"chaoslab.runtime.actions.{name}" for name in ("wait", "mark", "undo"))
_BLIND_PROGRAMS = ("true", ":", "echo", "printf", "sleep")


def blind_probes(view: View) -> Iterator[Told]:
    """Find probes that answer the same whatever happens."""
    for step in view.probes:
        if _is_blind(step):
            message = f"{step.told} does not look at the system: it answers the same whatever happens"
            yield Told(step.path, "proves-nothing", message, "ask something that the fault could change")


def why_nothing_is_proved(spec: Spec) -> str:
    """Say why a run of the file would prove nothing, whatever happens in it; '' where it could prove something.

    Only what is certain counts: a probe that raises fails its hypothesis whatever its tolerance says, so an HTTP server
    that must only answer is something, and nobody knows what a function of others does.
    """
    view = View(spec)
    judges = any("tolerance" in step.data for step in view.method)
    if spec.objectives or judges or not view.probes or not all(_cannot_fail(view, step) for step in view.probes):
        return ""
    names = ", ".join(step.name for step in view.probes)
    return f"no probe of the steady state can fail ({names}), and there is no objective"


def _cannot_fail(view: View, step: Step) -> bool:
    if _is_blind(step):
        return True
    if step.kind != "process" or _is_judged_by_another(step):
        return False
    return any(told.code == "always-met" for told in judged(view, step))


def _is_blind(step: Step) -> bool:
    program = step.command.partition(" ")[0].rpartition("/")[2]
    is_blind = step.function in _BLIND_FUNCTIONS or program in _BLIND_PROGRAMS
    return is_blind and not _is_judged_by_another(step)


def _is_judged_by_another(step: Step) -> bool:
    tolerance = step.data.get("tolerance")
    return isinstance(tolerance, dict) and tolerance.get("type") == "probe"


RULES = (blind_probes,)
