"""Build toy experiments, and play them in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from chaoslib.experiment import run_experiment
from chaoslib.types import Strategy


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


def until(condition: Callable[[], Any], *, timeout_s: float = 10.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
