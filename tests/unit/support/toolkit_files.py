"""Small Chaos Toolkit files, and what is found wrong with them."""

from __future__ import annotations

import json
from typing import Any

from chaoslab.core.errors import BadFile
from chaoslab.core.spec import parse_spec

CALL = {"type": "python", "module": "theirs.actions", "func": "act"}
STEP: dict[str, Any] = {"type": "action", "name": "act", "provider": CALL}
PROBE: dict[str, Any] = {"type": "probe", "name": "look", "provider": CALL, "tolerance": True}


def file_of(**parts: Any) -> str:
    return json.dumps({"title": "t", "description": "d", "method": [], **parts}, indent=1)


def problems(**parts: Any) -> list[str]:
    try:
        parse_spec(file_of(**parts), "a.json")
    except BadFile as error:
        return [problem.text for problem in error.problems]
    return []


def doubts(**parts: Any) -> list[str]:
    return [problem.text for problem in parse_spec(file_of(**parts), "a.json").doubts]


def hypothesis(*probes: Any) -> dict[str, Any]:
    return {"title": "well", "probes": list(probes)}


def judged_by(tolerance: Any) -> dict[str, Any]:
    return {"steady-state-hypothesis": hypothesis({**PROBE, "tolerance": tolerance})}
