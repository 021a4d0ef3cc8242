"""Checks the controls of a file. The engine drops one that it cannot set up without a word, so all of it must fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chaoslab.core.notes import Notes
from chaoslab.core.positions import Path
from chaoslab.core.suggest import hint_for

Holder = tuple[Path, Any]
"""Something that may declare controls: the file, the hypothesis, a step."""


def check_controls(holders: Sequence[Holder], notes: Notes) -> None:
    """Check the controls of everything that may have some."""
    found: list[tuple[Path, Any]] = []
    for path, holder in holders:
        if not isinstance(holder, dict) or "controls" not in holder:
            continue
        controls = holder["controls"]
        if isinstance(controls, list):
            found += [((*path, "controls", index), control) for index, control in enumerate(controls)]
        else:
            hint = "remove the key if there are none"
            notes.wrong_type((*path, "controls"), controls, "a list of controls", hint)
    names = [c["name"] for _, c in found if isinstance(c, dict) and "ref" not in c and isinstance(c.get("name"), str)]
    for path, control in found:
        _check_control(control, path, names, notes)


def _check_control(control: Any, path: Path, names: Sequence[str], notes: Notes) -> None:
    if not isinstance(control, dict):
        notes.wrong_type(path, control, "a mapping with name and provider")
        return
    if "ref" in control and control["ref"] not in names:
        hint = hint_for(str(control["ref"]), names)
        notes.wrong((*path, "ref"), "unknown-control", f"there is no control '{control['ref']}'", hint)
    if not isinstance(control.get("name"), str) or not control["name"]:
        notes.missing(path, "name", "a control without a name is never set up")
    if control.get("scope") and control["scope"] not in ("before", "after"):
        notes.wrong((*path, "scope"), "bad-value", f"'{control['scope']}' is no scope", "write before or after")
    provider = control.get("provider")
    if not isinstance(provider, dict) or provider.get("type") != "python":
        notes.missing(path, "provider", "write {type: python, module: ...}")
    elif not isinstance(provider.get("module"), str) or not provider["module"]:
        notes.missing((*path, "provider"), "module", "write the module of the control")
