"""Rules about whom a step hits: everybody where one was meant, or nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.view import Step, View

_PERCENTAGES = ("percentage", "percent", "impacted_percentage", "task_percent", "instance_percent")
_COUNTS = ("qty", "count", "instance_count", "task_count", "number")


def without_selector(view: View) -> Iterator[Told]:
    """Find what hits everything because nothing says what is meant."""
    for step in view.steps:
        known = step.known
        if not step.function or known is None or not known.narrow:
            continue
        if any(_says_something(view, step.arguments.get(key)) for key in known.narrow):
            continue
        where = _of_namespace(step.arguments) if "namespace" in known.hits else ""
        message = f"without {' or '.join(known.narrow)} it picks from {known.hits}{where}"
        remedy = (
            "add label_selector, such as app=NAME" if "label_selector" in known.narrow else f"add {known.narrow[0]}"
        )
        yield Told(_arguments_path(step), "no-selector", message, remedy)


def of_default_namespace(view: View) -> Iterator[Told]:
    """Find actions in Kubernetes that do not say where: they act in the namespace default."""
    for step in (*view.method, *view.rollbacks):
        if step.known is None or not step.function.startswith("chaosk8s.") or "ns" in step.arguments:
            continue
        if "namespace" in step.known.hits or "ns" in step.known.same:
            message = "acts in the namespace `default`, because it names none"
            yield Told(_arguments_path(step), "default-namespace", message, "add ns, also where default is meant")


def without_effect(view: View) -> Iterator[Told]:
    """Find what does nothing, and what takes nothing for success."""
    for step in (*view.method, *view.rollbacks):
        if step.known is None or not step.function:
            continue
        for key in step.known.needs:
            if not step.arguments.get(key):
                message = f"without {key} it does nothing, and says nothing"
                yield Told(_arguments_path(step), "does-nothing", message, f"add {key}")
        for key in _COUNTS:
            if key in step.arguments and view.filled(step.arguments[key]) == 0:
                message = f"{key} 0 hits nobody"
                yield Told((*step.provider_path, "arguments", key), "does-nothing", message, "write how many are meant")
    for step in view.method:
        if step.known is not None and step.known.silent:
            message = f"{step.known.silent}: a selector that is misspelt passes"
            remedy = "count what there is in the hypothesis, such as chaosk8s.pod.probes.count_pods"
            yield Told(step.path, "silent-when-empty", message, remedy)
            return


def amounts(view: View) -> Iterator[Told]:
    """Find shares that are none."""
    for step in (*view.method, *view.rollbacks):
        if step.known is None or not step.function:
            continue
        highest = dict.fromkeys(_PERCENTAGES, 100) | {"toxicity": 1}
        if view.filled(step.arguments.get("mode")) == "percentage":
            highest["qty"] = 100
        for key, most in highest.items():
            value = view.filled(step.arguments.get(key))
            if isinstance(value, int | float) and not isinstance(value, bool) and not 0 <= value <= most:
                message = f"{value} is no share: it goes from 0 to {most}"
                yield Told((*step.provider_path, "arguments", key), "bad-amount", message, "write what is meant")


def _says_something(view: View, value: Any) -> bool:
    value = view.filled(value)
    return value not in (None, "", [], {}, "*", ".*")


def _of_namespace(arguments: Mapping[str, Any]) -> str:
    return f" {arguments.get('ns') or 'default'}"


def _arguments_path(step: Step) -> tuple[str | int, ...]:
    return (*step.provider_path, "arguments") if step.arguments and "ref" not in step.declared else step.provider_path


RULES = (without_selector, of_default_namespace, without_effect, amounts)
