"""Check one file: everything that is wrong with it, dangerous in it, or does nothing, in one list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from chaoslab.core.checks import calls, hypothesis, proving, reach, secrets, silence, tolerances, undoing
from chaoslab.core.checks.codes import severity_of
from chaoslab.core.checks.finding import Finding, Told, finding_of
from chaoslab.core.checks.view import View
from chaoslab.core.errors import BadFile
from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.spec import Spec, parse_spec

Rule = Callable[[View], Iterator[Told]]
RULES: tuple[Rule, ...] = (
    *undoing.RULES,
    *reach.RULES,
    *tolerances.RULES,
    *hypothesis.RULES,
    *proving.RULES,
    *secrets.RULES,
    *calls.RULES,
    *silence.RULES,
)


class Checked(NamedTuple):
    """What there is to say about one file."""

    findings: tuple[Finding, ...]
    spec: Spec | None
    """None where the file cannot be run at all."""


def check_text(text: str | bytes, file: str) -> Checked:
    """Check a file, ours or anybody's, YAML or JSON.

    Args:
        text: what the file holds
        file: its path, as findings show it
    """
    try:
        spec = parse_spec(text, file)
    except BadFile as error:
        found = [finding_of(problem, "error", "", fatal=True) for problem in error.problems]
        return Checked(tuple(found), None)
    return Checked(tuple(findings_of(spec)), spec)


def findings_of(spec: Spec) -> list[Finding]:
    """Return what a file that can be run says and should not say, in the order of the file."""
    view = View(spec)
    notes = Notes(spec.file, spec.positions)
    found = {finding_of(doubt, severity_of(doubt.code), place) for doubt, place in _placed(spec)}
    for rule in RULES:
        for told in rule(view):
            problem = notes.problem(told.path, told.code, told.message, told.remedy, at_key=told.at_key)
            severity = told.severity or severity_of(told.code)
            found.add(finding_of(problem, severity, place_of(spec.document, told.path)))
    return sorted(found, key=lambda finding: (finding.line, finding.column, finding.code, finding.message))


def place_of(document: Any, path: Path) -> str:
    """Write a path with the names of steps in place of their numbers: it stays when lines and steps move."""
    shown, value = "", document
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
            name = value.get("name") or value.get("ref") if isinstance(value, dict) else None
            shown += f"[{name if isinstance(name, str) else part}]"
        else:
            value = value.get(part) if isinstance(value, dict) else None
            shown += f".{part}" if shown else part
    return shown


def _placed(spec: Spec) -> Iterator[tuple[Any, str]]:
    """Yield what reading the file left in doubt, with the place that each is about."""
    if not spec.doubts:
        return
    places = {
        tuple(place): path
        for mapping in (spec.positions.values, spec.positions.keys)
        for path, place in mapping.items()
    }
    for doubt in spec.doubts:
        yield doubt, place_of(spec.document, places.get((doubt.line, doubt.column), ()))
