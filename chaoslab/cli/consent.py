"""Consent: what counts as production is touched only when a person has typed its name."""

import sys
from typing import TYPE_CHECKING

import click

from chaoslab.cli.terminal import flat, tell

if TYPE_CHECKING:
    from chaoslab.core.spec import Spec
    from chaoslab.engine.opening import Wishes
    from chaoslab.engine.variables import Given


def can_ask() -> bool:
    """Say whether a person sits in front of it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(spec: "Spec", given: "Given", wishes: "Wishes") -> frozenset[str]:
    """Ask for the name of every production target that was not given with --yes; return those typed.

    What is not typed right is not asked again: the guard refuses the run then, and the refusal is on record.
    """
    from chaoslab.engine.guards import unconfirmed
    from chaoslab.engine.runner import plan_exercise

    planned = plan_exercise(spec, given, wishes)
    targets = unconfirmed(planned.gate)
    if targets:
        tell(flat(f"{planned.plan.title}: {planned.plan.blast_radius}"))
    return frozenset(typed for target in targets if (typed := _typed(target)) in {target, _name(target)})


def _typed(target: str) -> str:
    typed = click.prompt(
        f"{target} is production. Type {_name(target)} to go on", default="", show_default=False, err=True
    )
    return str(typed).strip()


def _name(target: str) -> str:
    """Return a target without its kind: `db1:5432/shop` of `postgres db1:5432/shop`."""
    return target.partition(" ")[2]
