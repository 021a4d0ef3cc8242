"""Checks a file as Chaos Toolkit does, but tells everything at once, with places, and needs nothing installed."""

from __future__ import annotations

from typing import Any

from chaoslab.core.activities import check_activity
from chaoslab.core.controls import check_controls
from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.suggest import hint_for
from chaoslab.core.values import check_configuration, check_secrets

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
ROLLBACK_STRATEGIES = ("default", "always", "never", "deviated")


def check_toolkit(data: dict[str, Any], notes: Notes) -> None:
    """Check everything but our own extension."""
    notes.unknown_keys(data, (), TOP_KEYS)
    _check_heading(data, notes)
    _check_tags(data.get("tags"), notes)
    _check_extensions(data.get("extensions"), notes)
    if "configuration" in data:
        check_configuration(data["configuration"], notes)
    if "secrets" in data:
        check_secrets(data["secrets"], notes)
    if HYPOTHESIS in data:
        _check_hypothesis(data[HYPOTHESIS], notes)
    _check_method(data, notes)
    if "rollbacks" in data:
        check_steps(data["rollbacks"], ("rollbacks",), notes)
    check_controls([((), data), ((HYPOTHESIS,), data.get(HYPOTHESIS)), *all_steps(data)], notes)
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
        hint = "remove the key if there are none" if steps is None else "begin each with `- `"
        notes.wrong_type(path, steps, "a list of steps", hint)
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


def _check_hypothesis(hypothesis: Any, notes: Notes) -> None:
    path = (HYPOTHESIS,)
    if not isinstance(hypothesis, dict):
        notes.wrong_type(path, hypothesis, "a mapping with title and probes", "remove the key if there is none")
        return
    notes.unknown_keys(hypothesis, path, ("title", "probes", "controls"))
    title = hypothesis.get("title")
    if not title:
        notes.missing(path, "title", "say what holds while all is well")
    elif not isinstance(title, str):
        notes.wrong_type((*path, "title"), title, "text", "put it in quotes")
    if "probes" in hypothesis:
        check_steps(hypothesis["probes"], (*path, "probes"), notes, in_hypothesis=True)
    else:
        notes.doubt(path, "no-probes", "a hypothesis without probes checks nothing", "add some", at_key=True)


def _check_method(data: dict[str, Any], notes: Notes) -> None:
    if data.get("method") is None:
        notes.missing((), "method", "list the steps, or write `method: []` to check the steady state only")
    else:
        check_steps(data["method"], ("method",), notes)


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
