"""A catalog file, read and checked: what is to be run, and what it must prove."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from chaoslab.core.crosschecks import check_fit
from chaoslab.core.document import Document, read_document
from chaoslab.core.errors import BadFile, Problem
from chaoslab.core.kind import Kind
from chaoslab.core.notes import Notes, kind_of
from chaoslab.core.objective import Objective
from chaoslab.core.positions import Positions
from chaoslab.core.references import check_references
from chaoslab.core.toolkit import check_toolkit

if TYPE_CHECKING:
    from chaoslab.core.extension import Extension

EXTENSION = "chaoslab"


@dataclass(frozen=True, slots=True)
class Spec:
    """A file that can be planned."""

    name: str
    """What the command line calls it: the fault, the disaster, or the file's stem."""
    file: str
    title: str
    description: str
    kind: Kind
    domain: str
    """The area; `other` for a file that somebody else wrote for Chaos Toolkit."""
    needs: tuple[str, ...]
    objectives: tuple[Objective, ...]
    document: dict[str, Any]
    """The file as Chaos Toolkit takes it. Whoever hands it to the engine, which changes it, hands a copy."""
    positions: Positions
    extension: Extension | None
    doubts: tuple[Problem, ...] = ()
    """What the engine lets pass in a foreign file, and its author can hardly have meant."""

    @property
    def foreign(self) -> bool:
        """Say whether the file lacks our extension: it runs too, with fewer promises."""
        return self.extension is None


def parse_spec(text: str | bytes, file: str) -> Spec:
    """Read a catalog file, YAML or JSON.

    Args:
        text: what the file holds.
        file: its path, as problems show it and as its name is taken from.

    Raises:
        BadFile: with everything that is wrong, in the order of the file.
    """
    document = read_document(text, file)
    data = _mapping_of(document, file)
    notes = Notes(file, document.positions)
    raw = _find_extension(data, notes)
    check_toolkit(data, notes)
    check_references(data, raw, notes)
    extension = None
    if raw is not None:
        from chaoslab.core.extension_check import read_extension  # brings pydantic, which a foreign file needs not

        check_fit(data, raw, notes)
        extension = read_extension(raw, notes)
    doubts = (*document.traps, *notes.doubts)
    found = [*document.problems, *notes.problems, *(doubts if raw is not None else ())]
    problems = _without_echoes(found, traps=document.traps if raw is not None else ())
    if problems:
        raise BadFile(_once(problems))
    return Spec(
        name=name_of(file),
        file=file,
        title=data["title"],
        description=data["description"],
        kind=extension.kind if extension else "experiment",
        domain=extension.domain if extension else "other",
        needs=extension.needs if extension else (),
        objectives=extension.judged() if extension else (),
        document=data,
        positions=document.positions,
        extension=extension,
        doubts=tuple(_once(doubts)),
    )


def name_of(file: str) -> str:
    """Return the name of a catalog file: `drills/postgres-restore/drill.yaml` is `postgres-restore`."""
    path = PurePath(file)
    if path.stem == "drill" and path.parent.name not in ("", ".", ".."):
        return path.parent.name
    return path.stem or path.name or "experiment"


def _mapping_of(document: Document, file: str) -> dict[str, Any]:
    if isinstance(document.data, dict):
        return document.data
    if document.problems:
        raise BadFile(document.problems)
    told = "the file is empty" if document.data is None else f"the file is {kind_of(document.data)}"
    hint = "write a mapping with title, description and method"
    raise BadFile([Problem(file, 1, 1, "no-mapping", told, hint)])


def _find_extension(data: dict[str, Any], notes: Notes) -> dict[str, Any] | None:
    """Return our extension as it was written, and tell the notes where it stands."""
    extensions = data.get("extensions")
    found: dict[str, Any] | None = None
    for index, extension in enumerate(extensions if isinstance(extensions, list) else []):
        if not isinstance(extension, dict) or extension.get("name") != EXTENSION:
            continue
        if found is None:
            found = extension
            notes.extension = ("extensions", index)
        else:
            message = f"there is a second extension named {EXTENSION}"
            notes.wrong(("extensions", index), "duplicate-name", message, "keep one")
    return found


def _without_echoes(problems: list[Problem], *, traps: tuple[Problem, ...]) -> list[Problem]:
    """Leave out what is wrong with a value only because it was read as something surprising."""
    trapped = {(trap.line, trap.column) for trap in traps}
    return [p for p in problems if p.code == "yaml-trap" or (p.line, p.column) not in trapped]


def _once(problems: list[Problem] | tuple[Problem, ...]) -> list[Problem]:
    """Sort, and tell what two checks found only once."""
    return sorted(set(problems), key=lambda problem: problem.order)
