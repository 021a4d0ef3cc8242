"""Make the plan of a run: every target resolved and pinned, every undo named. Touches nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from chaoslib import substitute

from chaoslab.core.errors import BadFile, Problem
from chaoslab.core.notes import Notes
from chaoslab.core.plan import Plan, PlannedGuard, PlannedStep, PlannedTarget, PlannedWatch
from chaoslab.core.several import connection_strings
from chaoslab.core.spec import Spec
from chaoslab.core.suggest import hint_for
from chaoslab.core.toolkit import HYPOTHESIS, steps_of
from chaoslab.engine.chaoslog import quiet
from chaoslab.engine.guards import Gate, describe_guards, target_text
from chaoslab.engine.modules import missing_parts
from chaoslab.engine.outcomes import Activity
from chaoslab.engine.pinning import UNKNOWN, Pinning
from chaoslab.engine.promises import promises_of, warnings_of
from chaoslab.engine.steps import Section, function_of, phase
from chaoslab.engine.strategy import strategy_of
from chaoslab.engine.variables import Variables, filled
from chaoslab.runtime.fault import fault_of
from chaoslab.runtime.secrets import Secrets


class Planned(NamedTuple):
    """A plan, and what the guards are to look at for it."""

    plan: Plan
    gate: Gate


def plan_of(spec: Spec, variables: Variables, *, reports: Path, confirmed: frozenset[str] = frozenset()) -> Planned:
    """Plan a run. Functions that pin a fault are called; they resolve its target and change nothing.

    Raises:
        BadFile: the file calls modules, functions or programs that are not on this machine, or an argument makes no
            sense.
        Refused: a target cannot be found.
    """
    with quiet(verbose=False):
        if problems := [*missing_parts(spec), *_strategy_problems(spec)]:
            raise BadFile(problems)
        steps = _steps(spec, variables)
    secrets = Secrets()
    variables.register(secrets)
    targets = _targets(spec, variables)
    gate = replace(_gate(spec, variables, targets, reports=reports, confirmed=confirmed), needs=_needs(spec, steps))
    plan = Plan(
        name=spec.name,
        kind=spec.kind,
        title=str(substitute(spec.title, dict(variables.configuration), {})),
        file=spec.file,
        targets=targets,
        blast_radius=spec.extension.blast_radius if spec.extension else "",
        objectives=spec.objectives,
        steps=tuple(steps),
        guards=tuple(PlannedGuard(*line.split(": ", 1)) for line in describe_guards(gate)),
        watching=_watching(spec, variables),
        scratch=tuple(_scratch(spec, steps)),
        promises=promises_of(spec, steps),
        warnings=warnings_of(spec, steps, dynamic=variables.dynamic),
    )
    return Planned(plan.redacted(secrets.redact_json), gate)


def _strategy_problems(spec: Spec) -> list[Problem]:
    try:
        strategy_of(spec.document)
    except ValueError:
        notes = Notes(spec.file, spec.positions)
        known = ("default", "before-method-only", "after-method-only", "during-method-only", "continuously", "skip")
        wrong = str(spec.document["runtime"]["hypothesis"]["strategy"])
        hint = hint_for(wrong, known)
        notes.wrong(("runtime", "hypothesis", "strategy"), "bad-value", f"'{wrong}' is no strategy", hint)
        return notes.problems
    return []


def _steps(spec: Spec, variables: Variables) -> list[PlannedStep]:
    pinning = Pinning(spec)
    planned = [
        _step(number, activity, section, variables, pinning)
        for number, (section, activity) in enumerate(activities_of(spec), start=1)
    ]
    pinning.conclude(_wrong_watchers(spec, variables))
    return planned


def _wrong_watchers(spec: Spec, variables: Variables) -> list[Problem]:
    if spec.extension is None:
        return []
    from chaoslab.engine.probers import wrong_watchers  # brings the models of probers along

    return wrong_watchers(spec, variables)


def _watching(spec: Spec, variables: Variables) -> tuple[PlannedWatch, ...]:
    if spec.extension is None:
        return ()
    from chaoslab.engine.watching import watching_of  # brings the models of probers along

    return tuple(watching_of(spec.extension, variables))


def activities_of(spec: Spec) -> Iterator[tuple[Section, Activity]]:
    """Yield the activities in the order in which they would run, references to others resolved."""
    document = spec.document
    probes = [step for _, step in steps_of(document, HYPOTHESIS, "probes")]
    method = [step for _, step in steps_of(document, "method")]
    named = {step["name"]: step for step in (*method, *probes) if "name" in step}
    sections: Sequence[tuple[Section, list[dict[str, Any]]]] = (
        ("before", probes),
        ("method", method),
        ("after", probes),
        ("rollbacks", [step for _, step in steps_of(document, "rollbacks")]),
    )
    for section, steps in sections:
        for step in steps:
            yield section, named.get(step["ref"], step) if "ref" in step else step


def _step(number: int, activity: Activity, section: Section, variables: Variables, pinning: Pinning) -> PlannedStep:
    provider = activity["provider"]
    arguments = filled(provider.get("arguments") or {}, variables)
    function = function_of(activity)
    fault = pinning.pin(activity, section, function, arguments) if function is not None else None
    return PlannedStep(
        number=number,
        name=str(activity["name"]),
        phase=phase(activity, section),
        function=_called(provider, variables),
        arguments=arguments if isinstance(arguments, Mapping) else {"arguments": arguments},
        fault=fault,
    )


def _called(provider: Mapping[str, Any], variables: Variables) -> str:
    match provider["type"]:
        case "python":
            return f"{provider['module']}.{provider['func']}"
        case "http":
            return f"{provider.get('method', 'GET')} {filled(provider['url'], variables)}"
        case _:
            return str(provider["path"])


def _targets(spec: Spec, variables: Variables) -> tuple[PlannedTarget, ...]:
    """Return what is acted on; one whose address is empty is not part of this run."""
    declared = spec.extension.targets if spec.extension else ()
    values = [(target.kind, filled(target.address, variables)) for target in declared]
    texts = [
        (kind, address)
        for kind, value in values
        for address in connection_strings(value if isinstance(value, list | tuple) else str(value))
    ]
    return tuple(
        PlannedTarget(kind, target_text(kind, address).partition(" ")[2]) for kind, address in texts if address
    )


def _gate(
    spec: Spec,
    variables: Variables,
    targets: tuple[PlannedTarget, ...],
    *,
    reports: Path,
    confirmed: frozenset[str],
) -> Gate:
    texts = tuple(f"{target.kind} {target.address}" for target in targets)
    guards = spec.extension.guards if spec.extension else None
    gate = Gate(
        targets=texts,
        locks=texts or (f"file {Path(spec.file).absolute()}",),
        reports=reports,
        allow=guards.allow if guards else (),
        production=guards.production if guards else (),
        confirmed=confirmed,
        free_disk=(guards.free_disk or 0) if guards else 0,
    )
    # The variable has this name in every drill that makes scratch things.
    place = variables.configuration.get("scratch_dir")
    return replace(gate, scratch=Path(place)) if isinstance(place, str) and place else gate


def _needs(spec: Spec, steps: Sequence[PlannedStep]) -> tuple[str, ...]:
    """Return what the guard must look for: not the right over this host's network where it was asked for exactly.

    Our faults of the network have asked the kernel, as they were pinned, for the right over the very namespace that
    they hit: in one of their own, ordinary users have it.
    """
    strikes = [step for step in steps if step.phase == "inject"]
    asked = strikes and all(
        step.function.startswith("chaoslab.network.") and step.fault and step.fault.target != UNKNOWN
        for step in strikes
    )
    return tuple(need for need in spec.needs if not (asked and need == "net-admin"))


def _scratch(spec: Spec, steps: Sequence[PlannedStep]) -> Iterator[str]:
    activities = list(activities_of(spec))
    for step, (_, activity) in zip(steps, activities, strict=True):
        fault = fault_of(function_of(activity)) if step.fault else None
        if step.fault and fault and fault.role == "scratch":
            yield step.fault.target if step.fault.target != UNKNOWN else f"{step.fault.name} of step {step.name}"
