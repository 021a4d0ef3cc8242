"""What `list` shows of the files of the catalog."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

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
