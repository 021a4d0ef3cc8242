"""Rules about what fails in silence, or is ignored without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.view import Step, View
from chaoslab.core.crosschecks import CONTROL_MODULE
from chaoslab.core.references import references_in, texts_in

_ONLY_WATCH = (
    "chaosaddons",
    "chaostracing",
    "chaosopentracing",
    "chaoshumio",
    "chaosslack",
    "chaosreliably",
    "chaosgrafana",
    "chaosdatadog",
    "chaosprometheus",
    "chaosgcp",
    "chaosinstana",
)
_GUARDS = re.compile(r"guard|safe|abort|stop|protect|check|allow|deny|prevent", re.I)


def ignored_keys(view: View) -> Iterator[Told]:
    """Find keys that the engine ignores where they stand."""
    for step in (*view.method, *view.rollbacks):
        if "tolerance" in step.declared:
            message = "is ignored: the engine checks tolerances in the hypothesis only"
            yield Told((*step.path, "tolerance"), "ignored", message, "move the probe to the hypothesis", at_key=False)
    for step in view.steps:
        if "timeout" in step.declared:
            message = "is ignored here: the engine knows a time limit of the provider only"
            remedy = "move it into `provider` (http and process have one)"
            yield Told((*step.path, "timeout"), "ignored", message, remedy, at_key=False)


def defaults_of_secrets(view: View) -> Iterator[Told]:
    """Find defaults that are none: the engine refuses to begin when the variable of a secret is not set."""
    secrets = view.document.get("secrets")
    for group, entries in (secrets if isinstance(secrets, dict) else {}).items():
        for name, value in (entries if isinstance(entries, dict) else {}).items():
            if isinstance(value, dict) and value.get("type") == "env" and "default" in value:
                message = "is ignored: a secret has no default, and without its variable the run does not begin"
                yield Told(("secrets", group, name, "default"), "ignored", message, "remove it")


def hidden_values(view: View) -> Iterator[Told]:
    """Find steps whose output goes under its name, over a value of the configuration that has the same."""
    configuration = view.document.get("configuration") or {}
    for step in view.method:
        name = step.declared.get("name")
        if isinstance(name, str) and name in configuration:
            message = f"its output replaces the configuration's '{name}' in every later step"
            yield Told((*step.path, "name"), "hidden-value", message, "give the step another name")


def outputs(view: View) -> Iterator[Told]:
    """Find what only chaoslab passes on: outputs of steps; and rollbacks that need one."""
    names = {step.name for step in view.method} - set(view.document.get("configuration") or ())
    if view.spec.extension is not None or not names:
        return
    for step in (*view.method, *view.rollbacks):
        for path, text in texts_in(dict(step.declared), step.path):
            for name in references_in(text):
                if name in names and not _is_shell_variable(step):
                    yield _output(step, path, name)


def _output(step: Step, path: tuple[str | int, ...], name: str) -> Told:
    if step.path[0] == "rollbacks":
        message = (
            f"needs the output of the step {name}, which is not there when the run is killed, nor under `chaos run`"
        )
        remedy = "take it from `configuration`, or let the rollback find out itself"
        return Told(path, "rollback-needs-output", message, remedy, at_key=False)
    message = f"`${{{name}}}` is the output of a step: `chaos run` leaves it as it is written"
    return Told(path, "output-reference", message, "run the file with `chaoslab run`", at_key=False)


def _is_shell_variable(step: Step) -> bool:
    return step.kind == "process" and isinstance(step.provider.get("arguments"), str)


def failures_go_on(view: View) -> Iterator[Told]:
    """Find methods whose later actions are taken whether or not the earlier ones succeeded."""
    actions = [step for step in view.method if step.type == "action" and not step.is_ours and step.effect != "look"]
    if view.spec.extension is None and len(actions) > 1 and not view.document.get("controls"):
        first, second = (step.name or step.told for step in actions[:2])
        message = f"under `chaos run`, {second} runs also after {first} failed, and the run counts as completed"
        yield Told(
            ("method",), "failure-goes-on", message, "run it with `chaoslab run`, which stops at a step that failed"
        )


def controls_that_swallow(view: View) -> Iterator[Told]:
    """Find controls that may be meant as guards: whatever they raise but one exception is swallowed."""
    controls = view.document.get("controls")
    for index, control in enumerate(controls if isinstance(controls, list) else []):
        provider = control.get("provider") if isinstance(control, dict) else None
        module = str(provider.get("module")) if isinstance(provider, dict) else ""
        if not module or module == CONTROL_MODULE or module.partition(".")[0] in _ONLY_WATCH:
            continue
        guards = _GUARDS.search(f"{control.get('name')} {module}") is not None
        message = (
            f"when {module} is missing or raises anything but InterruptExecution, `chaos run` goes on without a word"
        )
        remedy = "run it with `chaoslab run`, which tells; a guard belongs into `guards` or `tripwires`"
        yield Told(("controls", index), "control-swallows", message, remedy, "warning" if guards else "note")


RULES = (ignored_keys, defaults_of_secrets, hidden_values, outputs, failures_go_on, controls_that_swallow)
