"""`chaoslab check`: everything that is wrong with files, at once."""

from dataclasses import asdict

import click

from chaoslab.cli.options import complete_name
from chaoslab.cli.terminal import plural, say, say_json, tell
from chaoslab.core.errors import BadFile, BadUsage, ExitCode, Problem

_UNREADABLE = "no-file"


@click.command()
@click.argument("names", metavar="FILE|NAME...", nargs=-1, shell_complete=complete_name)
@click.option("--json", "as_json", is_flag=True, help="Print the problems as an array of objects.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of a file, for editors.")
def command(names: tuple[str, ...], as_json: bool, schema: bool) -> int:
    """Check files without running anything.

    Tells every problem as `file:line:column: what is wrong; what would be right`. Needs none of the packages, programs
    or variables that a file needs to run. Warnings are about what a file says and what does not do what it seems to.

    Exits 0 when all files can be planned, 2 when one cannot.

    \b
    Examples:
      chaoslab check postgres-restore database-blocked
      chaoslab check postgres-restore --json
      chaoslab check --schema
    """
    if schema:
        from chaoslab.core.schema import file_schema

        say_json(file_schema())
        return ExitCode.PASSED
    if not names:
        raise click.UsageError("name a file or an exercise to check, or ask for --schema")
    checked = [(name, *_check(name)) for name in names]
    problems = [problem for _, found, _ in checked for problem in found]
    warnings = [warning for _, _, found in checked for warning in found]
    if as_json:
        say_json(
            [_shown(problem, "problem") for problem in problems] + [_shown(warning, "warning") for warning in warnings]
        )
    else:
        for problem in problems:
            say(problem.text if problem.code == _UNREADABLE else str(problem))
        for warning in warnings:
            say(f"{_place(warning)}: warning: {warning.text}")
    bad = sum(1 for _, found, _ in checked if found)
    tell(_summary(len(checked), bad=bad, problems=len(problems), warnings=len(warnings)))
    return ExitCode.USAGE if bad else ExitCode.PASSED


def _check(name: str) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Return the problems and the warnings of one file."""
    from chaoslab.core.lint import warnings_of
    from chaoslab.core.spec import parse_spec
    from chaoslab.engine.loading import read

    try:
        source = read(name)
        spec = parse_spec(source.text, source.shown)
    except BadFile as error:
        return error.problems, ()
    except BadUsage as error:
        return (Problem(name, 0, 0, _UNREADABLE, str(error)),), ()
    return (), tuple(warnings_of(spec))


def _summary(files: int, *, bad: int, problems: int, warnings: int) -> str:
    noted = f"; {plural(warnings, 'warning')}" if warnings else ""
    if bad:
        return f"{plural(problems, 'problem')} in {bad} of {plural(files, 'file')}{noted}"
    return f"{plural(files, 'file')} checked, no problem{noted}"


def _place(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file


def _shown(problem: Problem, severity: str) -> dict[str, object]:
    return {**asdict(problem), "severity": severity}
