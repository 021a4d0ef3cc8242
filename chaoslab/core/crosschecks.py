"""Checks that the parts of our extension fit each other and the rest of the file.

They work on the data as it was written, so that they are told together with what is wrong inside the parts.
"""

from __future__ import annotations

from typing import Any

from chaoslab.core.notes import Notes
from chaoslab.core.objective import MEASURES
from chaoslab.core.positions import Path
from chaoslab.core.suggest import hint_for
from chaoslab.core.toolkit import HYPOTHESIS, all_steps, steps_of

CONTROL_MODULE = "chaoslab.engine.control"


def check_fit(data: dict[str, Any], raw: dict[str, Any], notes: Notes) -> None:
    """Check the extension against itself and against the file."""
    probers = _prober_names(raw, notes)
    _check_objectives(raw, probers, notes)
    _check_tripwires(raw, probers, notes)
    _check_calls(data, raw, probers, notes)
    _check_something_is_proved(data, raw, notes)
    _check_control(data, notes)


def _prober_names(raw: dict[str, Any], notes: Notes) -> list[str]:
    names: list[str] = []
    for path, prober in _items(raw, "probers", notes):
        name = prober.get("name")
        if not isinstance(name, str):
            continue
        if name in names:
            message = f"there is another prober '{name}'"
            notes.wrong((*path, "name"), "duplicate-name", message, "give each a name of its own")
        else:
            names.append(name)
    return names


def _check_objectives(raw: dict[str, Any], probers: list[str], notes: Notes) -> None:
    for name, limit in _mapping(raw.get("objectives")).items():
        if name not in MEASURES or limit is None:
            continue
        path = (*notes.extension, "objectives", name)
        of = _mapping(limit).get("of")
        if "when" in _mapping(limit) and not name.startswith(("availability", "latency_")):
            notes.wrong((*path, "when"), "no-phase", "is of no phase by its nature", "remove `when`", at_key=True)
        if not MEASURES[name].by_prober:
            if of is not None:
                message = "is measured from the run's marks, not by a prober"
                notes.wrong((*path, "of"), "no-prober", message, "remove `of`", at_key=True)
        elif not probers:
            message = "needs a prober that measures it, and there is none"
            hint = "add `probers: [{name: NAME, url: ADDRESS}]`"
            notes.wrong(path, "no-prober", message, hint, at_key=True)
        elif of is None and len(probers) > 1:
            bound = MEASURES[name].bound
            hint = f"write {{{bound}: ..., of: {probers[0]}}}"
            notes.wrong(path, "which-prober", f"any of {len(probers)} probers could measure it", hint)
        elif isinstance(of, str) and of not in probers:
            message = f"there is no prober '{of}'"
            notes.wrong((*path, "of"), "unknown-prober", message, hint_for(of, probers))


def _check_tripwires(raw: dict[str, Any], probers: list[str], notes: Notes) -> None:
    for path, tripwire in _items(raw, "tripwires", notes):
        prober = tripwire.get("prober")
        if isinstance(prober, str) and prober not in probers:
            hint = hint_for(prober, probers) or "add it to `probers`"
            notes.wrong((*path, "prober"), "unknown-prober", f"there is no prober '{prober}'", hint)


def _check_calls(data: dict[str, Any], raw: dict[str, Any], probers: list[str], notes: Notes) -> None:
    """Check that the functions of ours that judge a prober's samples name one that is there."""
    calls = [((*path, "provider"), _mapping(step.get("provider"))) for path, step in all_steps(data)]
    for section in ("probers", "tripwires"):
        calls += [((*path, "probe"), _mapping(part.get("probe"))) for path, part in _items(raw, section, notes)]
    for path, call in calls:
        prober = _mapping(call.get("arguments")).get("prober")
        is_ours = str(call.get("module", "")).startswith("chaoslab.")
        if is_ours and isinstance(prober, str) and "${" not in prober and prober not in probers:
            hint = hint_for(prober, probers) or "add it to `probers`"
            notes.wrong((*path, "arguments", "prober"), "unknown-prober", f"there is no prober '{prober}'", hint)


def _check_something_is_proved(data: dict[str, Any], raw: dict[str, Any], notes: Notes) -> None:
    kind = raw.get("kind")
    objectives = raw.get("objectives", {})
    if not isinstance(objectives, dict):
        return
    at = (*notes.extension, "objectives")
    if kind == "drill" and not {"rto", "rpo"} & set(objectives):
        message = "a drill needs an objective for the time or the data that a recovery may cost"
        notes.wrong(at, "no-objective", message, "add `rto: 2h` or `rpo: 15m`", at_key=True)
    if kind == "experiment" and not objectives and not steps_of(data, HYPOTHESIS, "probes"):
        message = "this experiment can never fail: it has no objective, and no probe of a steady state"
        notes.wrong(at, "nothing-proved", message, f"add `{HYPOTHESIS}` or `objectives`", at_key=True)


def _check_control(data: dict[str, Any], notes: Notes) -> None:
    """Without our control, `chaos run` would play the file with nothing that undoes its faults."""
    controls = data.get("controls")
    for index, control in enumerate(controls if isinstance(controls, list) else []):
        provider = _mapping(_mapping(control).get("provider"))
        if provider.get("module") != CONTROL_MODULE:
            continue
        if control.get("automatic") is False:
            message = "our control must work for the whole file"
            notes.wrong(("controls", index, "automatic"), "control-off", message, "remove `automatic: false`")
        if "scope" in control:
            message = "our control must work before and after every step"
            notes.wrong(("controls", index, "scope"), "control-off", message, "remove `scope`")
        return
    hint = f"add `controls: [{{name: chaoslab, provider: {{type: python, module: {CONTROL_MODULE}}}}}]`"
    message = "the control that guards the run is not declared"
    notes.wrong(("controls",) if "controls" in data else (), "no-control", message, hint, at_key=True)


def _items(raw: dict[str, Any], section: str, notes: Notes) -> list[tuple[Path, dict[str, Any]]]:
    items = raw.get(section)
    numbered = enumerate(items if isinstance(items, list) else [])
    return [((*notes.extension, section, index), item) for index, item in numbered if isinstance(item, dict)]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
