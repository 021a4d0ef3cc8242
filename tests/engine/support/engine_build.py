"""Build toy experiments, and play them in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaoslib.experiment import run_experiment
from chaoslib.types import Strategy

from chaoslab.core.spec import parse_spec
from chaoslab.engine.opening import Wishes
from chaoslab.engine.runner import Outcome, run_exercise
from chaoslab.engine.variables import given_of
from chaoslab.runtime.runlog import read_events


def toy(func: str, /, name: str = "", kind: str = "action", **arguments: Any) -> dict[str, Any]:
    """Build an activity that calls a function of `engine_toys`."""
    provider = {"type": "python", "module": "engine_toys", "func": func, "arguments": arguments}
    return {"type": kind, "name": name or arguments.get("word") or func, "provider": provider}


def probe(func: str, /, tolerance: Any = True, name: str = "", **arguments: Any) -> dict[str, Any]:
    """Build a hypothesis probe that calls a function of `engine_toys`."""
    return {**toy(func, name=name or f"probe-{func}", kind="probe", **arguments), "tolerance": tolerance}


def process(*arguments: str, path: str = "sh", name: str = "process", kind: str = "action") -> dict[str, Any]:
    """Build an activity that runs a program."""
    provider = {"type": "process", "path": path, "arguments": list(arguments)}
    return {"type": kind, "name": name, "provider": provider}


def experiment(
    *method: dict[str, Any],
    probes: list[dict[str, Any]] | None = None,
    rollbacks: list[dict[str, Any]] | None = None,
    controls: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Build an experiment of toy activities."""
    built: dict[str, Any] = {"title": "toy", "description": "a toy", "method": list(method), **more}
    if probes is not None:
        built["steady-state-hypothesis"] = {"title": "all is well", "probes": probes}
    if rollbacks is not None:
        built["rollbacks"] = rollbacks
    if controls is not None:
        built["controls"] = controls
    return built


def control(name: str = "toys", module: str = "engine_toys_control", **arguments: Any) -> dict[str, Any]:
    """Build the declaration of a control."""
    return {"name": name, "provider": {"type": "python", "module": module, "arguments": arguments}}


def play(built: dict[str, Any], *, rollbacks: str = "default", **options: Any) -> dict[str, Any]:
    """Run an experiment in this process under a rollback strategy and return its journal."""
    settings = {"runtime": {"rollbacks": {"strategy": rollbacks}}}
    options.setdefault("strategy", Strategy.DEFAULT)
    journal: dict[str, Any] = run_experiment(built, settings=settings, **options)
    return journal


def ours(built: dict[str, Any], **extension: Any) -> dict[str, Any]:
    """Give an experiment our extension and our control."""
    filled = {
        "name": "chaoslab",
        "kind": "experiment",
        "domain": "toys",
        "targets": [{"kind": "toy", "address": "box"}],
        "blast_radius": "a toy",
        **extension,
    }
    mine = control("chaoslab", module="chaoslab.engine.control")
    return {**built, "extensions": [filled], "controls": [mine, *built.get("controls", [])]}


def run_ours(
    built: dict[str, Any], folder: Path, *pairs: str, tell: Any = lambda event: None, **wishes: Any
) -> Outcome:
    """Run an experiment as `chaoslab run` does, with its reports and its state in a folder."""
    chosen = Wishes(reports=folder / "reports", state=folder / "state", **wishes)
    return run_exercise(parse_spec(json.dumps(built), "toy.json"), given_of(pairs), chosen, tell=tell)


def events_of(outcome: Outcome, *kinds: str) -> list[dict[str, Any]]:
    """Return the events of a run, of some kinds or all."""
    return [e for e in read_events(outcome.folder / "events.jsonl") if not kinds or e["kind"] in kinds]


def until(condition: Callable[[], Any], *, timeout_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
