"""What the commands share about catalog files: their specs, and completing their names."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import click
from click.shell_completion import CompletionItem

from chaoslab.core.objective import Objective


@dataclass(frozen=True, slots=True)
class Listed:
    """One exercise of the catalog, as `list` shows it."""

    name: str
    kind: str
    title: str
    domain: str
    needs: tuple[str, ...]
    objectives: tuple[Objective, ...]


def listed() -> Iterator["Listed | str"]:
    """Yield what `list` shows of every file of the catalog, or why a file cannot be listed."""
    from chaoslab.core.errors import BadFile, BadUsage
    from chaoslab.core.spec import parse_spec
    from chaoslab.engine.loading import catalog, read

    entries = catalog()
    count = Counter(entry.name for entry in entries)
    for entry in entries:
        name = entry.name if count[entry.name] == 1 else entry.full_name
        try:
            spec = parse_spec(read(str(entry.path)).text, str(entry.path))
        except BadFile as error:
            yield f"{name} is not listed: {error.problems[0]}"
        except BadUsage as error:
            yield f"{name} is not listed: {error}"
        else:
            yield Listed(name, spec.kind, spec.title, entry.domain, spec.needs, spec.objectives)


def complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of an exercise; a word with a slash or a dot is the path of a file."""
    from chaoslab.engine.loading import catalog

    names = sorted({entry.name for entry in catalog()} | {entry.full_name for entry in catalog()})
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]
