"""The arguments that `plan` and `run` share: they take the same, so that a plan is the plan of that run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslab.cli.catalog import complete_name

if TYPE_CHECKING:
    from chaoslab.core.spec import Spec
    from chaoslab.engine.variables import Variables

type Command = Callable[..., Any]


def exercise_options(command: Command) -> Command:
    """Add the arguments that say what is run, on what, and where its reports go."""
    decorators = [
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
            "--reports",
            metavar="DIR",
            default="reports",
            show_default=True,
            type=click.Path(path_type=Path),
            help="Where run folders go.",
        ),
        click.option(
            "--yes", "confirmed", metavar="TARGET", multiple=True, help="Consent to a production target, by its name."
        ),
        click.option("--seed", type=int, metavar="N", help="Make the same random choices as the run with this seed."),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def load(name: str, pairs: tuple[str, ...], files: tuple[Path, ...]) -> tuple["Spec", "Variables"]:
    """Read and check a file, and find out what its variables come to.

    Raises:
        BadFile: the file cannot be planned.
        BadUsage: there is no such file, or a variable makes no sense.
        Refused: a value comes from the lab, and no lab is running.
    """
    from chaoslab.core.spec import parse_spec
    from chaoslab.engine.loading import read
    from chaoslab.engine.variables import given_of, resolve

    source = read(name)
    spec = parse_spec(source.text, source.shown)
    given = given_of(pairs, files)
    variables = resolve(spec.document.get("configuration") or {}, given, secrets=spec.document.get("secrets") or {})
    return spec, variables
