"""Rules about what stays behind: faults that nothing undoes, and rollbacks that cannot work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.known import matches_undo
from chaoslab.core.checks.view import Step, View

_ORDER = (("chaostoxi.proxy.actions.delete_proxy", "chaostoxi.toxic.actions.delete_toxic", "proxy_name", "for_proxy"),)
"""What must not be played before what: the second would find nothing any more."""


def fault_without_rollback(view: View) -> Iterator[Told]:
    """Find what is changed and never changed back."""
    undoing = [step for step in view.rollbacks if step.effect != "look" and _may_act(step)]
    unknown: Step | None = None
    for index, step in enumerate(view.method):
        if step.is_ours or not _may_act(step):
            continue
        if step.known is None:
            unknown = unknown or (step if step.type == "action" and not view.rollbacks else None)
        elif step.effect in ("lasting", "gone"):
            yield from _undone(view, step, undoing, view.method[index + 1 :])
    if unknown is not None:
        message = f"{unknown.told} may change something, and the file has no rollbacks that would undo it"
        remedy = "add a step that undoes it to `rollbacks`"
        # An empty list says that somebody has thought of it.
        yield Told(unknown.path, "no-rollback", message, remedy, "note" if "rollbacks" in view.document else "warning")


def _undone(view: View, step: Step, undoing: Sequence[Step], later: Sequence[Step]) -> Iterator[Told]:
    assert step.known is not None
    told = f"{step.told} {step.known.what}"
    matching = [other for other in undoing if undoes(view, other, step)]
    if not matching and any(_undoes_in_other_words(other, step) for other in undoing):
        return
    if matching:
        if all(_of_another(view, other, step) for other in matching):
            yield _undo_of_another(view, matching[0], step)
        return
    if any(undoes(view, other, step) and not _of_another(view, other, step) for other in later):
        message = f"{told}, and only the method undoes it: a run that is stopped leaves it"
        yield Told(step.path, "undo-only-in-method", message, "put the same step into `rollbacks`")
        return
    if any(other.known is None and not other.is_ours for other in undoing):
        return  # a rollback that nobody knows may well undo it
    if step.effect == "gone":
        remedy = _remedy(step.known.undo) or "be sure that it can be lost"
        yield Told(step.path, "irreversible", f"{told}, and nothing here brings it back", remedy)
        return
    remedy = _remedy(step.known.undo) or "undo it in `rollbacks`"
    yield Told(step.path, "no-rollback", f"{told}, and nothing undoes it", remedy)


def undoes(view: View, step: Step, fault: Step) -> bool:
    """Say whether a step is of the kind that undoes a fault, whatever it is aimed at."""
    assert fault.known is not None
    known = fault.known
    if not fault.function:
        return step.provider != fault.provider and matches_undo(known, step.line)
    if step.function not in known.undo:
        return False
    if step.function != fault.function:
        return True
    keys = known.differs or tuple({*step.arguments, *fault.arguments})
    return any(view.filled(step.arguments.get(key)) != view.filled(fault.arguments.get(key)) for key in keys)


def _undoes_in_other_words(step: Step, fault: Step) -> bool:
    """Say whether a step undoes something, and is a program where the fault is a function, or the other way round."""
    return step.effect == "undo" and step.kind != fault.kind


def _of_another(view: View, undo: Step, fault: Step) -> bool:
    return next(_differences(view, undo, fault), None) is not None


def _differences(view: View, undo: Step, fault: Step) -> Iterator[tuple[str, object, object]]:
    """Yield the arguments by which an undo and a fault are aimed at different things for certain."""
    assert fault.known is not None
    for key in fault.known.same:
        default = "default" if key == "ns" else None
        ours, theirs = (view.filled(step.arguments.get(key, default)) for step in (fault, undo))
        named = key in fault.arguments and key in undo.arguments
        if (named or key == "ns") and ours != theirs and not (view.is_open(ours) or view.is_open(theirs)):
            yield key, ours, theirs


def _undo_of_another(view: View, undo: Step, fault: Step) -> Told:
    key, ours, theirs = next(_differences(view, undo, fault))
    message = f"{undo.told} undoes {key} {theirs}, and {fault.name or fault.told} acts on {key} {ours}"
    inner = (*undo.provider_path, "arguments") if undo.arguments else undo.provider_path
    return Told(inner, "undo-of-another", message, f"write the same {key} in both")


def rollback_repeats_fault(view: View) -> Iterator[Told]:
    """Find rollbacks that do once more what the method did."""
    for step in view.rollbacks:
        if step.effect in ("undo", "look", "scratch") or step.is_ours or not _may_act(step):
            continue
        for fault in view.method:
            if fault.type != "action" or fault.provider != step.provider or not fault.provider:
                continue
            certain = fault.effect in ("lasting", "gone")
            message = f"does once more what the method's {fault.name or fault.told} did, instead of undoing it"
            remedy = "call what undoes it, with the same arguments"
            yield Told(step.path, "rollback-repeats-fault", message, remedy, "error" if certain else "warning")
            break


def rollback_order(view: View) -> Iterator[Told]:
    """Find rollbacks that take away what a later one needs."""
    for first, second, mine, others in _ORDER:
        for index, step in enumerate(view.rollbacks):
            if step.function != first:
                continue
            for later in view.rollbacks[index + 1 :]:
                if later.function == second and later.arguments.get(others) == step.arguments.get(mine):
                    message = f"{later.told} comes after {step.told}, and finds nothing any more"
                    remedy = "rollbacks are played in their order: put this one first"
                    yield Told(later.path, "rollback-order", message, remedy)


def rollback_strategy(view: View) -> Iterator[Told]:
    """Find strategies under which the rollbacks are not played when they are needed."""
    runtime = view.document.get("runtime")
    rollbacks = runtime.get("rollbacks") if isinstance(runtime, dict) else None
    strategy = rollbacks.get("strategy") if isinstance(rollbacks, dict) else None
    if not view.rollbacks:
        return
    path = ("runtime", "rollbacks", "strategy")
    remedy = "write `runtime: {rollbacks: {strategy: always}}`"
    if strategy == "never":
        yield Told(path, "rollbacks-off", "the rollbacks are never played", remedy)
    elif strategy == "deviated":
        message = "the rollbacks are not played when all went well, nor when the run is stopped"
        yield Told(path, "rollbacks-off", message, remedy, "warning")
    elif strategy in (None, "default"):
        message = "`chaos run` does not play them when the run is stopped or a probe of the hypothesis raises"
        remedy = "`chaoslab run` always does; for `chaos run`, " + remedy
        yield Told(("rollbacks",), "rollbacks-not-always", message, remedy)


def _may_act(step: Step) -> bool:
    """Say whether a step can change something at all."""
    if step.known is not None:
        return step.effect not in ("look", "bounded")
    if step.kind == "http":
        return step.line.partition(" ")[0] not in ("GET", "HEAD", "OPTIONS")
    return step.type == "action"


def _remedy(undo: Sequence[str]) -> str:
    """Name what undoes: a function by its last name, a program by its command."""
    if not undo:
        return ""
    function = "." in undo[0] and undo[0].replace(".", "").isidentifier()
    return f"undo it in `rollbacks`: {undo[0].rpartition('.')[2] if function else undo[-1]}"


RULES = (fault_without_rollback, rollback_repeats_fault, rollback_order, rollback_strategy)
