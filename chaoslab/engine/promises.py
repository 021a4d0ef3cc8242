"""What a plan promises about the world after the run, and what nobody can promise."""

from collections.abc import Sequence

from chaoslab.core.checks.proving import why_nothing_is_proved
from chaoslab.core.plan import PlannedStep
from chaoslab.core.references import references_in, texts_in
from chaoslab.core.spec import Spec
from chaoslab.core.toolkit import HYPOTHESIS, steps_of
from chaoslab.engine.lasting import ending_too_soon
from chaoslab.engine.steps import is_ours


def promises_of(spec: Spec, steps: Sequence[PlannedStep]) -> tuple[str, ...]:
    """Return what holds however the run ends."""
    told = []
    if spec.document.get(HYPOTHESIS):
        told.append("nothing is done unless the steady state is met first")
    if any(step.fault for step in steps):
        told.append(
            "every fault is written down before it is injected, and undone however the run ends, also by kill -9"
        )
    if spec.document.get("rollbacks"):
        told.append("once the method has begun, the file's rollbacks are played in their order, however the run ends")
    return tuple(told)


def warnings_of(spec: Spec, steps: Sequence[PlannedStep], *, dynamic: Sequence[str]) -> tuple[str, ...]:
    """Return what cannot be promised."""
    told = []
    if spec.foreign:
        told.append("the file does not say what it acts on: no allow-list, no production guard, no lock on a target")
    actions = [step for _, step in steps_of(spec.document, "method") if step.get("type") == "action"]
    told += [_about_action(spec, step) for step in actions if not is_ours(step)]
    told += [f"step {step.name}: its target is not known yet" for step in steps if step.fault and not step.fault.ttl_s]
    told += [f"{name} is found out by a probe when the run begins" for name in dynamic]
    told += [f"step {name}: {message}" for name, message in ending_too_soon(steps)]
    told += _about_rollbacks(spec)
    if why := why_nothing_is_proved(spec):
        told.append(f"a verdict: {why}, so the run will be inconclusive")
    return tuple(dict.fromkeys(told))


def _about_action(spec: Spec, step: dict[str, object]) -> str:
    provider = step["provider"]
    assert isinstance(provider, dict)
    undone = "undone only by the file's own rollbacks" if spec.document.get("rollbacks") else "undone by nothing"
    what = {"process": f"what {provider.get('path')} does", "http": f"what {provider.get('url')} does"}
    unknown = what.get(str(provider["type"]), f"what {provider.get('module')}.{provider.get('func')} does")
    return f"step {step.get('name')}: {unknown} is not known here, and is {undone}"


def _about_rollbacks(spec: Spec) -> list[str]:
    """Tell of rollbacks that need the output of a step: written down beforehand, they do not know it."""
    outputs = {str(step.get("name")) for _, step in steps_of(spec.document, "method")}
    return [
        f"rollback {step.get('name')}: after kill -9 it is played without the output of step {name}"
        for path, step in steps_of(spec.document, "rollbacks")
        for _, text in texts_in(step, path)
        for name in references_in(text)
        if name in outputs
    ]
