"""`chaoslab doctor`: what this machine can run, and what is missing for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from chaoslab.cli.machine import Finding, look
from chaoslab.cli.options import reports_option
from chaoslab.cli.terminal import faint, mark, plural, say, say_json, table
from chaoslab.core.errors import ChaoslabError, ExitCode
from chaoslab.runtime.places import state_folder
from chaoslab.runtime.residue import OpenRun, open_runs

_LAB_MARKS = {"running": "ok", "stopped": "note"}


@click.command()
@reports_option("Where run folders would go.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(reports: Path, as_json: bool) -> int:
    """Say what this machine can run, and what is missing.

    Looks at tools, rights, the kernel, the lab and what earlier runs left behind. For each missing thing it says what
    it is needed for and what brings it.

    Exits 0 when exercises can run, 12 when something is missing that all of them need, 13 when an earlier run left
    something behind.

    \b
    Examples:
      chaoslab doctor
      chaoslab doctor --json
    """
    import chaoslab.lab

    state = state_folder()
    findings = list(look(reports, state))
    left, problem = _left_behind(state)
    lab = chaoslab.lab.status()
    if as_json:
        say_json(
            {
                "checks": [asdict(finding) for finding in findings],
                "lab": lab,
                "residue": [_shown(run) for run in left],
                "problem": problem,
            }
        )
    else:
        _print(findings, lab, left, problem)
    if left:
        return ExitCode.RESIDUE
    return ExitCode.REFUSED if problem or _cannot_run(findings) else ExitCode.PASSED


def _left_behind(state: Path) -> tuple[list[OpenRun], str]:
    """Return what dead runs left open, and why the ledgers cannot be read if they cannot."""
    try:
        return [run for run in open_runs(state) if not run.alive], ""
    except OSError as error:
        return [], f"cannot use {error.filename or state}: {error.strerror or error}"
    except ChaoslabError as error:
        return [], str(error)


def _lab_text(lab: Mapping[str, Any]) -> str:
    if lab["state"] == "stopped":
        return "not running; start it with `chaoslab lab start`"
    what = f"{lab['state']}, {plural(len(lab['postgres']), 'database')} in {lab['home']}"
    return "; ".join([what, *lab["problems"]])


def _cannot_run(findings: Sequence[Finding]) -> bool:
    return any(finding.essential and finding.outcome == "missing" for finding in findings)


def _print(findings: Sequence[Finding], lab: Mapping[str, Any], left: Sequence[OpenRun], problem: str) -> None:
    area = ""
    rows: list[list[str]] = []
    for finding in findings:
        rows.append(
            [
                finding.area if finding.area != area else "",
                f"{mark(_severity(finding))} {finding.name}",
                finding.found if finding.outcome == "ok" else _lack(finding),
            ]
        )
        area = finding.area
    rows.append(["lab", f"{mark(_LAB_MARKS.get(lab['state'], 'warning'))} lab", _lab_text(lab)])
    if problem:
        rows.append(["residue", f"{mark('missing')} residue", f"nobody can say: {problem}"])
    else:
        rows.append(["residue", f"{mark('residue' if left else 'ok')} residue", _residue(left)])
    say(table(rows))


def _severity(finding: Finding) -> str:
    if finding.outcome == "missing":
        return "missing" if finding.essential else "warning"
    return finding.outcome


def _lack(finding: Finding) -> str:
    """Say what is missing in a line, and in the next what for, and what to do."""
    return f"{finding.found}; needed for {finding.needed_for}: {faint(finding.remedy)}"


def _residue(left: Sequence[OpenRun]) -> str:
    if not left:
        return "none"
    return f"{plural(len(left), 'run')} left something behind ({', '.join(run.run_id for run in left)}): chaoslab undo"


def _shown(run: OpenRun) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "folder": run.folder,
        "open": [f"{e.name} on {e.target}" for e in run.entries],
        "illegible": list(run.illegible),
    }
