"""The arguments that `plan` and `run` share: they take the same, so that a plan is the plan of that run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslab.core.errors import BadUsage

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from chaoslab.core.plan import Plan
    from chaoslab.core.spec import Spec

type Command = Callable[..., Any]


def complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Complete the name of an exercise; a word with a slash or a dot is the path of a file."""
    from click.shell_completion import CompletionItem

    from chaoslab.engine.loading import catalog

    names = sorted({entry.name for entry in catalog()} | {entry.full_name for entry in catalog()})
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def reports_option(told: str) -> Callable[[Command], Command]:
    """Make the option that says where run folders go; `told` is its line in the manual."""
    kind = click.Path(path_type=Path)
    return click.option("--reports", metavar="DIR", default="reports", show_default=True, type=kind, help=told)


def exercise_options(command: Command) -> Command:
    """Add the arguments that say what is run, on what, and where its reports go."""
    decorators: list[Callable[[Command], Command]] = [
        click.argument("names", metavar="NAME|FILE...", nargs=-1, required=True, shell_complete=complete_name),
        click.option(
            "--var",
            "pairs",
            metavar="NAME=VALUE",
            multiple=True,
            help="Set a variable of the file; NAME:TYPE=VALUE says its type. Never a secret.",
        ),
        click.option(
            "--var-file",
            "files",
            metavar="FILE",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Take variables and secrets from a .yaml, .json or .env file.",
        ),
        click.option(
            "--objective",
            "objectives",
            metavar="NAME=TARGET",
            multiple=True,
            help="Promise something else than the file does: rpo=26h, availability=99%.",
        ),
        reports_option("Where run folders go."),
        click.option(
            "--yes", "confirmed", metavar="TARGET", multiple=True, help="Consent to a production target, by its name."
        ),
        click.option("--seed", type=int, metavar="N", help="Make the same random choices as the run with this seed."),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def spec_of(name: str, objectives: Sequence[str] = ()) -> "Spec":
    """Read and check the file that a name of the catalog, or a path, stands for.

    Args:
        name: the name or the path
        objectives: promises that count instead of the file's own

    Raises:
        BadFile: the file cannot be planned.
        BadUsage: there is no such file, or no such objective.
    """
    from chaoslab.core.objective import with_targets
    from chaoslab.core.spec import parse_spec
    from chaoslab.engine.loading import read

    source = read(name)
    spec = parse_spec(source.text, source.shown)
    return replace(spec, objectives=with_targets(spec.objectives, objectives))


def read_plan(path: Path) -> "Plan":
    """Read a plan that `chaoslab plan --out` has written.

    Raises:
        BadFile: it is no plan, or was changed since it was made.
        BadUsage: it cannot be read.
    """
    from chaoslab.core.bounded import read_bounded
    from chaoslab.core.document import MAX_CHARACTERS
    from chaoslab.core.plan import parse_plan

    try:
        text = read_bounded(path, MAX_CHARACTERS)  # a file without an end, too, is only too large
    except OSError as error:
        raise BadUsage(f"cannot read the plan {path}: {error.strerror or error}") from error
    return parse_plan(text, str(path))
