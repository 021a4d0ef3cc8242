"""Warnings: what a file says that is allowed, and does not do what it seems to.

Each check looks at a whole spec and yields problems; a new one is a function in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chaoslab.core.errors import Problem
from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.spec import Spec
from chaoslab.core.toolkit import all_steps, steps_of

Finding = tuple[Path, str, str, str]
"""The key that is meant, the code, the message, the hint."""
Check = Callable[[Spec], Iterator[Finding]]

_OURS = "chaoslab."
_POD_SELECTORS = ("label_selector", "name_pattern")


def warnings_of(spec: Spec) -> list[Problem]:
    """Return what is worth a second look, in the order of the file."""
    notes = Notes(spec.file, spec.positions)
    found = [
        notes.problem(path, code, message, hint, at_key=True)
        for check in CHECKS
        for path, code, message, hint in check(spec)
    ]
    return sorted({*spec.doubts, *found}, key=lambda problem: problem.order)


def _fault_without_rollback(spec: Spec) -> Iterator[Finding]:
    """Our own faults are undone by the ledger; those of others by rollbacks, or by nobody."""
    if spec.document.get("rollbacks"):
        return
    for path, step in steps_of(spec.document, "method"):
        if step.get("type") == "action" and not _function_of(step).startswith(_OURS):
            message = "this action changes something, and the file has no rollbacks that would undo it"
            yield path, "no-rollback", message, "add a step that undoes it to `rollbacks`"
            return


def _tolerance_in_method(spec: Spec) -> Iterator[Finding]:
    for section in ("method", "rollbacks"):
        for path, step in steps_of(spec.document, section):
            if "tolerance" in step:
                message = "is ignored: the engine checks tolerances in the hypothesis only"
                yield (*path, "tolerance"), "ignored", message, "move the probe to the hypothesis"


def _timeout_of_step(spec: Spec) -> Iterator[Finding]:
    for path, step in all_steps(spec.document):
        if "timeout" in step:
            message = "is ignored here: the engine knows a time limit of the provider only"
            yield (*path, "timeout"), "ignored", message, "move it into `provider` (http and process have one)"


def _pods_without_selector(spec: Spec) -> Iterator[Finding]:
    for path, step in all_steps(spec.document):
        if _function_of(step) != "chaosk8s.pod.actions.terminate_pods":
            continue
        arguments = step["provider"].get("arguments")
        arguments = arguments if isinstance(arguments, dict) else {}
        if not any(arguments.get(key) for key in _POD_SELECTORS):
            namespace = arguments.get("ns") or "default"
            message = f"without a selector it picks from every pod of the namespace {namespace}"
            inner = (*path, "provider", "arguments") if arguments else (*path, "provider")
            yield inner, "no-selector", message, "add label_selector, such as app=NAME"


def _step_hides_configuration(spec: Spec) -> Iterator[Finding]:
    """The output of a step goes under its name, over a value of the configuration that has the same."""
    configuration = spec.document.get("configuration") or {}
    for path, step in steps_of(spec.document, "method"):
        name = step.get("name")
        if isinstance(name, str) and name in configuration:
            message = f"its output replaces the configuration's '{name}' in every later step"
            yield (*path, "name"), "hidden-value", message, "give the step another name"


def _function_of(step: dict[str, Any]) -> str:
    provider = step.get("provider")
    if not isinstance(provider, dict) or provider.get("type") != "python":
        return ""
    return f"{provider.get('module')}.{provider.get('func')}"


CHECKS: tuple[Check, ...] = (
    _fault_without_rollback,
    _tolerance_in_method,
    _timeout_of_step,
    _pods_without_selector,
    _step_hides_configuration,
)
