"""Rules about how steps call things: without time limits, through shells, in wrong threads."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.known import known_function
from chaoslab.core.checks.view import View
from chaoslab.core.references import SHELLS, references_in

_IMPORT_ACTS = ("this", "antigravity", "__main__", "setup", "conftest", "manage", "wsgi", "asgi")
MAIN_THREAD = ("signal", "locust", "gevent", "tkinter", "twisted")
"""What works in the main thread only, whatever of it is called."""
_SHELL_SIGNS = re.compile(r"[|&;<>`*()]|\$[({\w]")
_ALONE = frozenset(("|", "||", "&&", ";", ">", ">>", "<", "2>&1", "&", "2>"))
_PASSES_ON = (
    *SHELLS,
    "ssh",
    "docker",
    "podman",
    "kubectl",
    "oc",
    "su",
    "sudo",
    "nsenter",
    "chroot",
    "env",
    "xargs",
    "watch",
    "timeout",
)
_NUMBERS = ("int", "integer", "float", "number", "json")


def time_limits(view: View) -> Iterator[Told]:
    """Find calls that may wait for ever, and limits that are none."""
    for step in view.steps:
        if step.kind not in ("http", "process") or "ref" in step.declared:
            continue
        timeout = step.provider.get("timeout")
        if timeout is None:
            if step.kind == "http":
                message = "waits for an answer for ever: a service that hangs hangs the run, with the fault in place"
                yield Told(step.provider_path, "no-timeout", message, "add `timeout: 5` to the provider")
            else:
                message = f"{step.told} may run for ever"
                yield Told(step.provider_path, "no-timeout", message, "add `timeout: 60` to the provider", "note")
        elif step.kind == "http":
            yield from _limit(view, timeout, (*step.provider_path, "timeout"))
    for step in view.steps:
        pauses = step.declared.get("pauses")
        if not isinstance(pauses, dict):
            continue
        for key in ("before", "after"):
            if isinstance(pauses.get(key), str) and _is_text(view, pauses[key]):
                message = f"`{pauses[key]}` is text, and a pause is a number: the step breaks off"
                yield Told(
                    (*step.path, "pauses", key), "bad-timeout", message, "add `env_var_type: float` to the variable"
                )


def _limit(view: View, timeout: Any, path: tuple[str | int, ...]) -> Iterator[Told]:
    value = view.filled(timeout)
    if isinstance(timeout, str) and _is_text(view, timeout):
        message = "is text, and a time limit is a number: the step breaks off"
        remedy = "write it without quotes; for a variable, add `env_var_type: float`"
        yield Told(path, "bad-timeout", message, remedy)
    elif isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
        yield Told(path, "bad-timeout", f"{value} is no time limit: the step breaks off", "write some seconds")


def _is_text(view: View, value: str) -> bool:
    """Say whether a value comes to text for certain: as it stands, or from a variable of no other type."""
    names = references_in(value)
    if not names:
        return True
    if value != f"${{{names[0]}}}":
        return True
    configuration = view.document.get("configuration")
    declared = configuration.get(names[0]) if isinstance(configuration, dict) else None
    if isinstance(declared, dict):
        is_env = declared.get("type") == "env"
        return (
            is_env
            and declared.get("env_var_type") not in _NUMBERS
            and not isinstance(declared.get("default"), int | float)
        )
    return isinstance(declared, str)


def threads(view: View) -> Iterator[Told]:
    """Find what works in the main thread only and is called in another, and what holds up the undo there."""
    for step in (*view.method, *view.rollbacks):
        if step.declared.get("background") is not True:
            continue
        module = str(step.provider.get("module", ""))
        if step.function and module.partition(".")[0] in MAIN_THREAD:
            message = (
                f"{module} works in the main thread only, and a step in the background is not there: it breaks off"
            )
            remedy = "remove `background: true`, or call a program of its own"
            yield Told((*step.path, "background"), "main-thread", message, remedy)
        elif view.rollbacks and step.type == "action" and not step.is_ours and step.effect in (None, "bounded"):
            message = "`chaos run` waits for it before it plays the rollbacks, also when the run is stopped"
            yield Told(
                (*step.path, "background"), "background-delays-undo", message, "keep it short, or give it a limit"
            )


def imports(view: View) -> Iterator[Told]:
    """Find modules whose import already does something."""
    seen = set()
    for step in view.steps:
        module = str(step.provider.get("module", ""))
        if not step.function or step.is_ours or module in seen or "ref" in step.declared:
            continue
        seen.add(module)
        path = (*step.provider_path, "module")
        parts = module.split(".")
        if parts[-1] in _IMPORT_ACTS or parts[-1].startswith("test_"):
            message = f"importing {module} already runs it, also when the file is only validated"
            yield Told(path, "import-acts", message, "put the function into a module that only defines things")
        elif len(parts) == 1 and module not in sys.stdlib_module_names and known_function(step.function) is None:
            message = (
                f"{module} is a module of one file: whatever file of that name comes first is imported, and so run"
            )
            yield Told(path, "import-acts", message, "put it into a package, and say where with PYTHONPATH", "note")


def shells(view: View) -> Iterator[Told]:
    """Find text that a shell reads, and text that was meant for one and does not get there."""
    for step in view.steps:
        if step.kind != "process" or "ref" in step.declared:
            continue
        arguments = step.provider.get("arguments")
        path = (*step.provider_path, "arguments")
        program = str(step.provider.get("path", "")).rpartition("/")[2]
        if isinstance(arguments, str) and _SHELL_SIGNS.search(arguments):
            yield _read_by_shell(view, arguments, path)
        elif isinstance(arguments, list):
            texts = [str(item) for item in arguments]
            if program in SHELLS and "-c" in texts[:-1]:
                yield _read_by_shell(view, texts[texts.index("-c") + 1], path)
            elif program not in _PASSES_ON and not {text.rpartition("/")[2] for text in texts} & set(SHELLS):
                yield from _meant_for_shell(texts, program, path)


def _read_by_shell(view: View, text: str, path: tuple[str | int, ...]) -> Told:
    remedy = "list the arguments: `arguments: [one, two]`, and call a script where a shell is needed"
    values = [name for name in references_in(text) if name in view.values]
    if values:
        message = f"a shell reads this text with the value of {values[0]} in it, whatever that holds"
        return Told(path, "shell-text", message, remedy, "warning")
    return Told(path, "shell-text", "a shell reads this text", remedy)


def _meant_for_shell(texts: list[str], program: str, path: tuple[str | int, ...]) -> Iterator[Told]:
    for index, text in enumerate(texts):
        if text in _ALONE or re.search(r"\$\(|`\w", text):
            message = f"`{text}` goes to {program} as it stands: a list is not read by a shell"
            yield Told((*path, index), "shell-in-list", message, "write one text instead of a list, or call a script")
            return


def exit_codes(view: View) -> Iterator[Told]:
    """Find programs whose failure nobody notices."""
    for step in (*view.method, *view.rollbacks):
        if step.kind == "process" and step.type == "action" and step.effect != "look" and "ref" not in step.declared:
            what = "this rollback" if step.path[0] == "rollbacks" else "this step"
            message = f"{what} succeeds whatever exit code {step.told} ends with"
            remedy = "`chaoslab run` fails it; for `chaos run`, add a probe that looks at the result"
            yield Told(step.path, "exit-code-ignored", message, remedy)


RULES = (time_limits, threads, imports, shells, exit_codes)
