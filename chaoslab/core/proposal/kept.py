"""What is told of a step that stays as it is: why, what ends it, and what it would need to be a fault of ours."""

from __future__ import annotations

from collections.abc import Sequence

from chaoslab.core.checks.undoing import undoes
from chaoslab.core.checks.view import Step, View

_PLACES = {"chaosk8s": "Kubernetes", "chaosistio": "Istio", "chaosaws": "AWS", "chaosazure": "Azure"}
_PLACES |= {"pdchaosazure": "Azure", "chaosgcp": "Google Cloud", "chaosspring": "Spring", "chaoswm": "WireMock"}


def kept_line(view: View, step: Step, rollbacks: Sequence[Step], *, why: str, ttl: str) -> str:
    """Return one line of a step for which there is no fault of ours.

    Args:
        view: the file
        step: the step
        rollbacks: those of the file that stay too
        why: what stood in the way, if anybody knows
        ttl: the time-to-live that it would need
    """
    place = _PLACES.get(step.function.partition(".")[0], "")
    why = why or (f"we have no faults of {place} yet" if place else "")
    told = f"{step.name}: {step.told}" + (f" ({why})" if why else "")
    if step.effect in ("momentary", "bounded"):
        return f"{told}, which is over by itself"
    if step.effect == "look" or step.line.startswith(("GET ", "HEAD ", "OPTIONS ")):
        return f"{told}, which changes nothing"
    if step.effect == "scratch":
        return f"{told}, which only makes something new"
    if step.effect == "undo":
        return f"{told}, which undoes something: in the method a run that is stopped does not reach it"
    return f"{told}, {_ending(view, step, rollbacks)}{_needed(step, ttl)}"


def _ending(view: View, step: Step, rollbacks: Sequence[Step]) -> str:
    if step.known is None:
        return f"undone by {'the rollbacks of the file, perhaps' if rollbacks else 'nothing'}"
    if any(undoes(view, other, step) for other in rollbacks):
        return "undone by the rollbacks of the file"
    return "undone by nothing"


def _needed(step: Step, ttl: str) -> str:
    """Say what it would need to be undone whatever happens."""
    if step.known is None:
        needs = f"an undo, a proof that it bit, and a time-to-live such as {ttl}"
        return f"; what it changes is not known here: it needs {needs}"
    undo = step.known.undo
    if step.effect == "gone" and not undo:
        return "; nothing could bring it back"
    names = [name.rpartition(".")[2] for name in undo if name.replace(".", "").isidentifier()]
    by = " or ".join(names[:2]) if names else (undo[-1] if undo else "what puts back what was there")
    same = f" with the same {', '.join(step.known.same)}" if step.known.same else ""
    return f"; it needs as its undo {by}{same}, and a time-to-live such as {ttl}"
