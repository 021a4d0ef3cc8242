"""Steps in the background whose function works in the main thread only, found by reading its source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path

from chaoslab.core.checks.calls import MAIN_THREAD
from chaoslab.core.checks.check import place_of
from chaoslab.core.checks.finding import Finding, finding_of
from chaoslab.core.notes import Notes
from chaoslab.core.spec import Spec
from chaoslab.core.toolkit import steps_of

_CALLS = {"signal.signal", "signal.set_wakeup_fd", "asyncio.get_event_loop", "tkinter.Tk", "pytest.main"}
_METHODS = {"add_signal_handler"}
_REMEDY = "remove `background: true`, or call a program of its own"


def wrong_threads(spec: Spec) -> Iterator[Finding]:
    """Yield the steps in the background that call what works in the main thread only, as far as sources are there."""
    notes = Notes(spec.file, spec.positions)
    for section in ("method", "rollbacks"):
        for path, step in steps_of(spec.document, section):
            provider = step.get("provider")
            if step.get("background") is not True or not isinstance(provider, dict) or provider.get("type") != "python":
                continue
            module, func = str(provider.get("module")), str(provider.get("func"))
            if module.partition(".")[0] in (*MAIN_THREAD, "chaoslab") or not (call := _main_thread_call(module, func)):
                continue
            message = f"{module}.{func} calls {call}, which works in the main thread only: it breaks off"
            problem = notes.problem((*path, "background"), "main-thread", message, _REMEDY, at_key=True)
            yield finding_of(problem, "error", place_of(spec.document, (*path, "background")))


def _main_thread_call(module: str, func: str) -> str:
    """Return what a function, or one of its module that it calls, calls so; '' where nothing is seen."""
    source = _source_of(module)
    if source is None:
        return ""
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    names = _imported(tree)
    ahead, seen = [func], {func}
    while ahead:
        body = functions.get(ahead.pop())
        for called in _called(body, names) if body is not None else ():
            if called in _CALLS or called.rpartition(".")[2] in _METHODS:
                return called
            if called in functions and called not in seen:
                seen.add(called)
                ahead.append(called)
    return ""


def _called(body: ast.AST, names: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of what is called, in full where an import tells it."""
    for node in ast.walk(body):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            yield names.get(first, first) + dot + rest


def _imported(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _source_of(module: str) -> Path | None:
    """Find the source of a module as an import would, from here, without importing what holds it."""
    where: list[str] = [str(Path.cwd()), *sys.path]
    parts = module.split(".")
    for index in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: index + 1]), where)
        if spec is None:
            return None
        if index == len(parts) - 1:
            return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
        where = list(spec.submodule_search_locations or ())
    return None
