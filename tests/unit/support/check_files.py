"""Files for `chaoslab check`, each with one thing wrong; a file with nothing wrong to begin with."""

from __future__ import annotations

import json
from typing import Any

from chaoslab.core.checks.check import check_text
from chaoslab.core.checks.finding import Finding

LOOK: dict[str, Any] = {
    "type": "probe",
    "name": "it-answers",
    "tolerance": 200,
    "provider": {"type": "http", "url": "http://service/health", "timeout": 3},
}
WELL = {"title": "it is well", "probes": [LOOK]}


def python(function: str, name: str = "", /, **arguments: Any) -> dict[str, Any]:
    """A step that calls a Python function."""
    module, _, func = function.rpartition(".")
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "action", "name": name or func, "provider": provider}


def process(path: str, arguments: Any = (), **more: Any) -> dict[str, Any]:
    """A step that calls a program."""
    listed = list(arguments) if isinstance(arguments, tuple) else arguments
    provider = {"type": "process", "path": path, "arguments": listed, "timeout": 9}
    return {"type": "action", "name": path, "provider": provider, **more}


def later(step: dict[str, Any]) -> dict[str, Any]:
    """The same step with a pause after it."""
    return {**step, "pauses": {"after": 5}}


def judged(tolerance: Any, **probe: Any) -> dict[str, Any]:
    """The parts of a file whose hypothesis has one tolerance."""
    return {"steady-state-hypothesis": {"title": "h", "probes": [{**LOOK, **probe, "tolerance": tolerance}]}}


def findings(**parts: Any) -> list[Finding]:
    """What is found in a file made of these parts; None leaves a part out."""
    whole = {"title": "t", "description": "d", "steady-state-hypothesis": WELL, "method": [], **parts}
    text = json.dumps({key: value for key, value in whole.items() if value is not None}, indent=1)
    return list(check_text(text, "a.json").findings)


def codes(**parts: Any) -> set[str]:
    """The codes of what is found."""
    return {finding.code for finding in findings(**parts)}


def told(code: str, **parts: Any) -> list[str]:
    """What is said under one code, with its severity."""
    return [f"{found.severity}: {found.text}" for found in findings(**parts) if found.code == code]
