"""`chaoslab show`: one exercise in words."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslab.cli.options import complete_name, spec_of
from chaoslab.cli.terminal import faint, flat, say, say_json, styled, table

if TYPE_CHECKING:
    from chaoslab.core.spec import Spec


@click.command()
@click.argument("name", metavar="NAME|FILE", shell_complete=complete_name)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, as_json: bool) -> None:
    """Show what an exercise does, needs and promises.

    Tells its targets, its variables with their defaults, its objectives, its steps and how each fault is undone.
    Nothing is looked up: `chaoslab plan` tells what a run would hit here and now.

    \b
    Examples:
      chaoslab show postgres-restore
      chaoslab show database-blocked --json
    """
    spec = spec_of(name)
    if as_json:
        say_json(_as_data(spec))
    else:
        _print(spec)


def _as_data(spec: "Spec") -> dict[str, Any]:
    extension = spec.extension
    return {
        "name": spec.name,
        "file": spec.file,
        "title": spec.title,
        "description": spec.description,
        "kind": spec.kind,
        "domain": spec.domain,
        "needs": list(spec.needs),
        "blast_radius": extension.blast_radius if extension else None,
        "targets": [target.model_dump() for target in extension.targets] if extension else [],
        "variables": spec.document.get("configuration") or {},
        "objectives": [objective.to_json() for objective in spec.objectives],
        "steps": list(_steps(spec)),
    }


def _steps(spec: "Spec") -> Iterator[dict[str, str]]:
    """Yield every step in the order of a run, with its phase, and how it is undone if it is a fault."""
    from chaoslab.engine.pinning import undo_text
    from chaoslab.engine.planning import activities_of
    from chaoslab.engine.steps import function_of, phase
    from chaoslab.runtime.fault import fault_of

    for section, activity in activities_of(spec):
        function = function_of(activity)
        is_fault = function is not None and fault_of(function) is not None
        yield {
            "phase": phase(activity, section),
            "name": str(activity.get("name")),
            "undo": undo_text(function) if is_fault else "",
        }


def _print(spec: "Spec") -> None:
    say(styled(flat(spec.title), "ok"))
    say(faint(f"{spec.kind} {spec.name} ({spec.domain}), {spec.file}"))
    say()
    say(spec.description.strip())
    if spec.extension:
        _section("Blast radius", spec.extension.blast_radius)
        _section("Targets", table([[target.kind, target.address] for target in spec.extension.targets], indent="  "))
    else:
        _section("Blast radius", "unknown: this file was written for plain Chaos Toolkit")
    runbook = Path(spec.file).with_name("RUNBOOK.md")
    _section("Runbook", str(runbook) if runbook.is_file() else "")
    _section("Needs", ", ".join(spec.needs) or "nothing in particular")
    _section("Objectives", "\n".join(f"  {objective.text}" for objective in spec.objectives) or "none")
    _section("Variables (--var NAME=VALUE)", _variables(spec.document.get("configuration") or {}))
    rows = [[step["phase"], flat(step["name"]), step["undo"] and f"undo: {step['undo']}"] for step in _steps(spec)]
    _section("Steps", table(rows, indent="  "))


def _section(head: str, text: str) -> None:
    if not text:
        return
    say()
    if "\n" in text or text.startswith("  "):
        say(f"{styled(head, 'none')}\n{text}")
    else:
        say(f"{styled(head, 'none')}: {text}")


def _variables(configuration: Mapping[str, Any]) -> str:
    return table([[name, _default(value)] for name, value in configuration.items()], indent="  ")


def _default(value: Any) -> str:
    """Say where a variable's value comes from when nobody sets it."""
    if isinstance(value, str) and value.startswith("lab:"):
        return f"from the lab: {value.removeprefix('lab:').removesuffix('?')}"
    if not isinstance(value, Mapping):
        return "(empty)" if value in ("", None) else str(value)
    match value.get("type"):
        case "env":
            default = f", else {value['default']}" if "default" in value else ""
            return f"${value.get('key')}{default}"
        case "probe":
            return f"asked from {value.get('name') or 'a probe'} when the run begins"
        case _:
            return str(value.get("default", "(given in the file)"))
