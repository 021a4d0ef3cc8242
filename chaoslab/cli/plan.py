"""`chaoslab plan`: what a run would do here and now, before it does anything."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaoslab.cli.options import exercise_options, spec_of
from chaoslab.cli.terminal import faint, flat, mark, say, say_json, styled, table, tell
from chaoslab.core.errors import BadUsage
from chaoslab.core.units import format_duration

if TYPE_CHECKING:
    from chaoslab.core.plan import Plan, PlannedStep


@click.command()
@exercise_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Keep it for run --plan.")
def command(
    names: tuple[str, ...],
    pairs: tuple[str, ...],
    files: tuple[Path, ...],
    objectives: tuple[str, ...],
    reports: Path,
    confirmed: tuple[str, ...],
    seed: int | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Say what a run would do and undo; touch nothing.

    Takes the arguments of `run`. Finds every target, names it, and tells for each step what it would hit, how that is
    undone, and when at the latest; then what is checked first, and what cannot be promised.

    A plan kept with --out is held to by `run --plan FILE`, which refuses when the world no longer matches it.

    \b
    Examples:
      chaoslab plan database-blocked
      chaoslab plan postgres-restore --json
      chaoslab plan service-paused --out plan.json
    """
    from chaoslab.engine.opening import Wishes
    from chaoslab.engine.runner import plan_exercise
    from chaoslab.engine.variables import given_of

    if out and len(names) > 1:
        raise click.UsageError("--out keeps the plan of one exercise; name one")
    wishes = Wishes(reports=reports, confirmed=frozenset(confirmed))
    given = given_of(pairs, files)
    plans = [plan_exercise(spec_of(name, objectives), given, wishes).plan for name in names]
    if as_json:
        say_json(plans[0].to_json() if len(plans) == 1 else [plan.to_json() for plan in plans])
    else:
        say("\n\n".join("\n".join(lines(plan)) for plan in plans))
    if out:
        _keep(plans[0], out)


def _keep(plan: "Plan", path: Path) -> None:
    try:
        path.write_text(json.dumps(plan.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadUsage(f"cannot write the plan to {path}: {error.strerror or error}") from error
    tell(f"the plan is in {path}; hold a run to it with `chaoslab run {plan.name} --plan {path}`")


def lines(plan: "Plan") -> Iterator[str]:
    """Yield a plan in words, blast radius first."""
    digest, plan = plan.digest, plan.redacted(flat)
    yield f"{styled(plan.title, 'none')}  {faint(f'{plan.kind} {flat(plan.name)}')}"
    yield f"  blast radius  {plan.blast_radius or 'unknown: the file does not say'}"
    for target in plan.targets:
        yield f"  target        {target.kind} {target.address}"
    for objective in plan.objectives:
        yield f"  objective     {objective.text}"
    for scratch in plan.scratch:
        yield f"  scratch       {scratch}"
    yield ""
    yield table([_row(step) for step in plan.steps], indent="  ")
    yield ""
    for guard in plan.guards:
        yield f"  before        {guard.name}: {guard.detail}"
    for watch in plan.watching:
        yield f"  during        {watch.kind} {watch.detail}"
    for promise in plan.promises:
        yield f"  {mark('ok')} {promise}"
    for warning in plan.warnings:
        yield f"  {mark('warning')} cannot be promised: {warning}"
    yield faint(f"  plan {digest}")


def _row(step: "PlannedStep") -> list[str]:
    row = [f"{step.number:2}", step.phase, step.name]
    if step.fault is None:
        return [*row, faint(step.function)]
    until = f" after {format_duration(step.fault.ttl_s)} at the latest" if step.fault.ttl_s else ""
    return [*row, f"{step.fault.name} on {step.fault.target}; undo{until}: {step.fault.undo}"]
