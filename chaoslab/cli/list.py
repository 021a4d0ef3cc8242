"""`chaoslab list`: the exercises that can be run by name."""

from dataclasses import asdict

import click

from chaoslab.cli.catalog import Listed, listed
from chaoslab.cli.terminal import flat, say, say_json, table, tell


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def command(as_json: bool) -> None:
    """List the exercises: experiments and drills.

    They come from the folders in $CHAOSLAB_CATALOG, from `experiments` and `drills` in the working folder, from
    chaoslab itself and from packages that bring some along. A file is run by its path as well.

    \b
    Examples:
      chaoslab list
      chaoslab list --json
    """
    found = list(listed())
    entries = [entry for entry in found if isinstance(entry, Listed)]
    for problem in (entry for entry in found if isinstance(entry, str)):
        tell(problem)
    if as_json:
        say_json([asdict(entry) for entry in entries])
        return
    rows = [[entry.name, entry.kind, flat(entry.title), _objectives(entry)] for entry in entries]
    say(table(rows, head=("NAME", "KIND", "TITLE", "OBJECTIVES")))


def _objectives(entry: Listed) -> str:
    return ", ".join(objective.text for objective in entry.objectives)
