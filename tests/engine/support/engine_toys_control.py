"""A control that records its hooks in `engine_toys.HEARD` and can raise in one of them."""

from __future__ import annotations

from typing import Any

import engine_toys

RAISE: dict[str, type[Exception]] = {}
"""Hook name -> what it raises."""
STORE_OUTPUTS = False
"""Whether a step's output is written into the live configuration under the step's name."""
JOURNAL_STATUS = ""
"""What to turn the journal's status into, if anything."""


def reset() -> None:
    """Forget what a test set."""
    global STORE_OUTPUTS, JOURNAL_STATUS
    RAISE.clear()
    STORE_OUTPUTS, JOURNAL_STATUS = False, ""


def _heard(hook: str, label: str = "") -> None:
    engine_toys.HEARD.append(f"{label}{hook}")
    if hook in RAISE:
        raise RAISE[hook](hook)


def configure_control(label: str = "") -> None:
    _heard("configure", label)


def cleanup_control() -> None:
    _heard("cleanup")


def before_experiment_control(context: Any, label: str = "") -> None:
    _heard("before_experiment", label)


def after_experiment_control(context: Any, state: Any, label: str = "") -> None:
    if JOURNAL_STATUS:
        state["status"] = JOURNAL_STATUS
    _heard("after_experiment", label)


def before_hypothesis_control(context: Any, label: str = "") -> None:
    _heard("before_hypothesis", label)


def after_hypothesis_control(context: Any, label: str = "") -> None:
    _heard("after_hypothesis", label)


def before_method_control(context: Any, label: str = "") -> None:
    _heard("before_method", label)


def after_method_control(context: Any, label: str = "") -> None:
    _heard("after_method", label)


def before_rollback_control(context: Any, label: str = "") -> None:
    _heard("before_rollback", label)


def after_rollback_control(context: Any, label: str = "") -> None:
    _heard("after_rollback", label)


def before_activity_control(context: Any, label: str = "") -> None:
    _heard(f"before_activity:{context['name']}", label)
    if "before_activity" in RAISE:
        raise RAISE["before_activity"]("before_activity")


def after_activity_control(context: Any, state: Any, configuration: dict[str, Any], label: str = "") -> None:
    if STORE_OUTPUTS and state:
        configuration[context["name"]] = state["output"]
    _heard(f"after_activity:{context['name']}", label)
    if "after_activity" in RAISE:
        raise RAISE["after_activity"]("after_activity")
