"""Checks a file as Chaos Toolkit does, but tells everything at once, with places, and needs nothing installed."""

from __future__ import annotations

from typing import Any

from chaoslab.core.activities import check_activity, check_provider
from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.suggest import hint_for

HYPOTHESIS = "steady-state-hypothesis"
TOP_KEYS = (
    "version",
    "title",
    "description",
    "tags",
    "contributions",
    "extensions",
    "configuration",
    "secrets",
    "controls",
    HYPOTHESIS,
    "method",
    "rollbacks",
    "runtime",
    "dry",
)
ENV_TYPES = ("str", "string", "int", "integer", "float", "number", "bytes", "bool", "json")
ROLLBACK_STRATEGIES = ("default", "always", "never", "deviated")


def check_toolkit(data: dict[str, Any], notes: Notes) -> None:
    """Check everything but our own extension."""
    notes.unknown_keys(data, (), TOP_KEYS)
    _check_heading(data, notes)
    _check_tags(data.get("tags"), notes)
    _check_extensions(data.get("extensions"), notes)
    _check_configuration(data.get("configuration"), notes)
    _check_secrets(data.get("secrets"), notes)
    _check_hypothesis(data.get(HYPOTHESIS), notes)
    _check_method(data, notes)
    if data.get("rollbacks") is not None:
        check_steps(data["rollbacks"], ("rollbacks",), notes)
    _check_controls(data, notes)
    _check_runtime(data.get("runtime"), notes)
    _check_references_to_steps(data, notes)


def steps_of(data: dict[str, Any], *path: str) -> list[tuple[Path, dict[str, Any]]]:
    """Return the steps of a section that are at least mappings, with their paths."""
    section: Any = data
    for key in path:
        section = section.get(key) if isinstance(section, dict) else None
    items = section if isinstance(section, list) else []
    return [((*path, index), item) for index, item in enumerate(items) if isinstance(item, dict)]


def all_steps(data: dict[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    """Return every step of the file: the hypothesis, the method, the rollbacks."""
    return [*steps_of(data, HYPOTHESIS, "probes"), *steps_of(data, "method"), *steps_of(data, "rollbacks")]


def check_steps(steps: Any, path: Path, notes: Notes, *, in_hypothesis: bool = False) -> None:
    """Check a list of steps."""
    if not isinstance(steps, list):
        notes.wrong_type(path, steps, "a list of steps", "begin each with `- `")
        return
    for index, step in enumerate(steps):
        check_activity(step, (*path, index), notes, in_hypothesis=in_hypothesis)


def _check_heading(data: dict[str, Any], notes: Notes) -> None:
    hints = {"title": "say in a line what is tried", "description": "say what is learned from it"}
    for key, hint in hints.items():
        value = data.get(key)
        if value is None or value == "":
            notes.missing((), key, hint)
        elif not isinstance(value, str):
            notes.wrong_type((key,), value, "text", "put it in quotes")


def _check_tags(tags: Any, notes: Notes) -> None:
    if tags is None:
        return
    if not isinstance(tags, list):
        notes.wrong_type(("tags",), tags, "a list of words", "write [one, two]")
        return
    for index, tag in enumerate(tags):
        if not isinstance(tag, str) or not tag:
            notes.wrong_type(("tags", index), tag, "a word", "put it in quotes")


def _check_extensions(extensions: Any, notes: Notes) -> None:
    if not extensions:
        return
    if not isinstance(extensions, list):
        notes.wrong_type(("extensions",), extensions, "a list", "write `- name: chaoslab`")
        return
    for index, extension in enumerate(extensions):
        path = ("extensions", index)
        if not isinstance(extension, dict):
            notes.wrong_type(path, extension, "a mapping with a name")
            continue
        name = extension.get("name")
        if not isinstance(name, str) or not name.strip():
            notes.missing(path, "name", "every extension needs one, such as chaoslab")
        elif name != "chaoslab" and hint_for(name, ["chaoslab"]).startswith("did"):
            hint = "did you mean 'chaoslab'?"
            notes.doubt((*path, "name"), "unknown-extension", f"'{name}' is nothing we know", hint)


def _check_configuration(configuration: Any, notes: Notes) -> None:
    if configuration is None:
        return
    if not isinstance(configuration, dict):
        notes.wrong_type(("configuration",), configuration, "a mapping of names to values")
        return
    for name, value in configuration.items():
        path = ("configuration", name)
        if isinstance(value, dict) and value.get("type") == "env":
            _check_env(value, path, notes)
        elif isinstance(value, dict) and value.get("type") == "probe":
            if not value.get("provider"):
                notes.missing(path, "provider", "write what the probe calls")
            else:
                check_provider(value["provider"], (*path, "provider"), notes)


def _check_env(value: dict[str, Any], path: Path, notes: Notes) -> None:
    key = value.get("key")
    if not isinstance(key, str) or not key:
        notes.missing(path, "key", "write the name of the environment variable")
    kind = value.get("env_var_type")
    if kind is not None and kind not in ENV_TYPES:
        hint = hint_for(str(kind), ENV_TYPES)
        notes.wrong((*path, "env_var_type"), "bad-value", f"'{kind}' is no type of value", hint)


def _check_secrets(secrets: Any, notes: Notes) -> None:
    if secrets is None:
        return
    if not isinstance(secrets, dict):
        notes.wrong_type(("secrets",), secrets, "a mapping of groups")
        return
    for group, entries in secrets.items():
        path = ("secrets", group)
        if not isinstance(entries, dict):
            hint = f"write a group of secrets: {{{group}: {{name: {{type: env, key: NAME}}}}}}"
            notes.wrong_type(path, entries, "a mapping of names to values", hint)
        elif entries.get("type") == "env":
            message = "is one secret where a group of secrets belongs, so `${...}` cannot find it"
            notes.doubt(path, "flat-secret", message, f"write {{{group}: {{name: {{type: env, ...}}}}}}", at_key=True)
        elif entries.get("type") != "vault":
            for name, value in entries.items():
                if isinstance(value, dict) and value.get("type") == "env":
                    _check_env(value, (*path, name), notes)


def _check_hypothesis(hypothesis: Any, notes: Notes) -> None:
    if hypothesis is None:
        return
    path = (HYPOTHESIS,)
    if not isinstance(hypothesis, dict):
        notes.wrong_type(path, hypothesis, "a mapping with title and probes")
        return
    notes.unknown_keys(hypothesis, path, ("title", "probes", "controls"))
    title = hypothesis.get("title")
    if not title:
        notes.missing(path, "title", "say what holds while all is well")
    elif not isinstance(title, str):
        notes.wrong_type((*path, "title"), title, "text", "put it in quotes")
    if hypothesis.get("probes") is not None:
        check_steps(hypothesis["probes"], (*path, "probes"), notes, in_hypothesis=True)
    else:
        notes.doubt(path, "no-probes", "a hypothesis without probes checks nothing", "add some", at_key=True)


def _check_method(data: dict[str, Any], notes: Notes) -> None:
    if data.get("method") is None:
        notes.missing((), "method", "list the steps, or write `method: []` to check the steady state only")
    else:
        check_steps(data["method"], ("method",), notes)


def _check_controls(data: dict[str, Any], notes: Notes) -> None:
    holders: list[tuple[Path, Any]] = [((), data), ((HYPOTHESIS,), data.get(HYPOTHESIS)), *all_steps(data)]
    for path, holder in holders:
        if not isinstance(holder, dict) or holder.get("controls") is None:
            continue
        controls = holder["controls"]
        if not isinstance(controls, list):
            notes.wrong_type((*path, "controls"), controls, "a list of controls")
            continue
        for index, control in enumerate(controls):
            _check_control(control, (*path, "controls", index), notes)


def _check_control(control: Any, path: Path, notes: Notes) -> None:
    if not isinstance(control, dict):
        notes.wrong_type(path, control, "a mapping with name and provider")
        return
    if "ref" in control:
        return
    if not isinstance(control.get("name"), str) or not control["name"]:
        notes.missing(path, "name", "a control without a name is never set up")
    provider = control.get("provider")
    if not isinstance(provider, dict) or provider.get("type") != "python":
        notes.missing(path, "provider", "write {type: python, module: ...}")
    elif not isinstance(provider.get("module"), str) or not provider["module"]:
        notes.missing((*path, "provider"), "module", "write the module of the control")


def _check_runtime(runtime: Any, notes: Notes) -> None:
    if not isinstance(runtime, dict):
        if runtime is not None:
            notes.wrong_type(("runtime",), runtime, "a mapping")
        return
    rollbacks = runtime.get("rollbacks")
    strategy = rollbacks.get("strategy") if isinstance(rollbacks, dict) else None
    if strategy is not None and strategy not in ROLLBACK_STRATEGIES:
        hint = hint_for(str(strategy), ROLLBACK_STRATEGIES)
        path = ("runtime", "rollbacks", "strategy")
        notes.wrong(path, "bad-value", f"'{strategy}' is no strategy", hint)


def _check_references_to_steps(data: dict[str, Any], notes: Notes) -> None:
    """Check that `ref: NAME` names a step of the hypothesis or of the method, where the engine looks it up."""
    steps = [*steps_of(data, HYPOTHESIS, "probes"), *steps_of(data, "method")]
    names = {step["name"] for _, step in steps if isinstance(step.get("name"), str)}
    for path, step in all_steps(data):
        ref = step.get("ref")
        if isinstance(ref, str) and ref and ref not in names:
            notes.wrong((*path, "ref"), "unknown-step", f"there is no step '{ref}'", hint_for(ref, names))
