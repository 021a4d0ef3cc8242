"""Propose our form of a file: the extension, the control, and our faults in place of steps that do the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chaoslab.core.checks.undoing import undoes
from chaoslab.core.checks.view import Step, View
from chaoslab.core.crosschecks import CONTROL_MODULE
from chaoslab.core.proposal.editing import Editor, dumped, indented
from chaoslab.core.proposal.equivalent import Equivalent
from chaoslab.core.proposal.equivalents import equivalent_of, time_to_live
from chaoslab.core.proposal.kept import kept_line
from chaoslab.core.proposal.promise import MARK, Prober, Replaced, extension_lines, pauses_of, probers_of
from chaoslab.core.spec import Spec, parse_spec

_CONTROL = [
    "- name: chaoslab",
    "  provider:",
    "    type: python",
    f"    module: {CONTROL_MODULE}",
]


class Proposal(NamedTuple):
    """Our form of a file."""

    text: str
    """YAML."""
    replaced: tuple[str, ...]
    """`step: theirs -> ours` for every step for which we have a fault."""
    kept: tuple[str, ...]
    """What stays as it is, and is undone by the file's own rollbacks or by nothing."""
    reformatted: bool
    """Whether it had to be written anew, without its comments."""

    @property
    def decisions(self) -> list[tuple[int, str]]:
        """Return what a person must decide, with the lines."""
        marked = enumerate(self.text.splitlines(), 1)
        return [(number, line.partition(MARK)[2].strip()) for number, line in marked if MARK in line]


def propose(text: str, spec: Spec) -> Proposal:
    """Propose our form of a foreign file.

    Args:
        text: the file as it is
        spec: the same, read
    """
    editor = Editor(text)
    reformatted = spec.file.lower().endswith(".json") or not editor.is_block
    if reformatted:
        text = dumped(spec.document)
        spec = parse_spec(text, f"{spec.name}.yaml")
        editor = Editor(text)
    view = View(spec)
    return _Proposing(editor, view).proposal(reformatted=reformatted)


class _Proposing:
    """One file on its way to our form."""

    def __init__(self, editor: Editor, view: View) -> None:
        self.editor = editor
        self.view = view
        self.probers: list[Prober] = probers_of(view)
        pairs = [(step, equivalent_of(step)) for step in view.method if "ref" not in step.declared]
        self.replaced = [Replaced(step, by) for step, by in pairs if isinstance(by, Equivalent)]
        self.reasons = {step.path: why for step, why in pairs if isinstance(why, str)}
        self.ttl = time_to_live(pauses_of(view) + sum(one.by.pause_s for one in self.replaced))

    def proposal(self, *, reformatted: bool) -> Proposal:
        self._heading()
        undone = self._rollbacks()
        self._method()
        mapped = {one.step.path for one in self.replaced}
        kept = [step for step in self.view.method if step.type == "action" and step.path not in mapped]
        others = [step for step in self.view.rollbacks if step not in undone]
        return Proposal(
            self.editor.text(),
            tuple(f"{one.step.name}: {one.step.told} -> {one.by.function}" for one in self.replaced),
            tuple(
                kept_line(self.view, step, others, why=self.reasons.get(step.path, ""), ttl=self.ttl)
                for step in kept
                if not step.is_ours
            ),
            reformatted,
        )

    def _heading(self) -> None:
        """Add the extension, the variables and the control behind the description."""
        editor, new = self.editor, ["", *self._extension()]
        variables = {key: value for one in self.replaced for key, value in one.by.configuration.items()}
        missing = {key: value for key, value in variables.items() if key not in self.view.values}
        lines = [f"{key}: {json.dumps(value)}" for key, value in missing.items()]
        if lines and self.view.document.get("configuration"):
            indent = editor.indent("configuration")
            editor.insert(editor.section("configuration")[1], [indent + line for line in lines])
        elif lines:
            if "configuration" in editor.keys:
                editor.replace(editor.section("configuration"), [])
            new += ["", "configuration:", *["  " + line for line in lines]]
        if self.view.document.get("controls"):
            indent = editor.indent("controls")
            editor.insert(editor.item("controls", 0)[0], [indent + line for line in _CONTROL])
        else:
            if "controls" in editor.keys:
                editor.replace(editor.section("controls"), [])
            new += ["", "controls:", *["  " + line for line in _CONTROL]]
        at = editor.section("description")[1]
        follows_at_once = at < len(editor.lines) and editor.lines[at].strip() != ""
        editor.insert(at, [*new, ""] if follows_at_once else new)

    def _extension(self) -> list[str]:
        lines = extension_lines(self.view, self.replaced, self.probers)
        if not self.view.document.get("extensions"):
            if "extensions" in self.editor.keys:
                self.editor.replace(self.editor.section("extensions"), [])
            return ["extensions:", *lines]
        indent = self.editor.indent("extensions")
        self.editor.insert(self.editor.section("extensions")[1], [indent + line[2:] for line in lines])
        return []

    def _method(self) -> None:
        """Put our faults in place of theirs, and the undo of those that last behind the method."""
        if not self.replaced:
            return
        indent = self.editor.indent("method")
        for one in self.replaced:
            lines = indented(dumped([_step_of_ours(one, self.ttl)]), indent)
            if one.by.decide:
                lines.insert(0, f"{indent}{MARK} {one.by.decide}")
            self.editor.replace(self.editor.item("method", int(one.step.path[1])), lines)
        lasting = {one.by.function.rpartition(".")[2]: one for one in self.replaced if one.by.lasts}
        added: list[Mapping[str, Any]] = [_undo_step(name) for name in lasting]
        if self.probers:
            added.append(_recovery_step(self.probers[0].name))
        if added:
            self.editor.insert(self.editor.section("method")[1], indented(dumped(added), indent))

    def _rollbacks(self) -> Sequence[Step]:
        """Leave out the rollbacks whose fault is now one of ours, undone from the ledger; return them."""
        faults = [one.step for one in self.replaced if one.step.known is not None]
        left = [step for step in self.view.method if step.known and step not in faults and step.effect == "lasting"]
        gone = [
            step
            for step in self.view.rollbacks
            if any(undoes(self.view, step, fault) for fault in faults)
            and not any(undoes(self.view, step, fault) for fault in left)
        ]
        if gone and len(gone) == len(self.view.rollbacks):
            self.editor.replace(self.editor.section("rollbacks"), ["rollbacks: []"])
            return gone
        for step in gone:
            self.editor.replace(self.editor.item("rollbacks", int(step.path[1])), [])
        return gone


def _step_of_ours(one: Replaced, ttl: str) -> dict[str, Any]:
    """Return the step that calls our fault, with all that was said besides its provider."""
    module, _, func = one.by.function.rpartition(".")
    arguments = {**({"ttl": ttl} if one.by.lasts else {}), **one.by.arguments}
    if "ttl" in arguments:
        arguments["ttl"] = arguments.pop("ttl")  # last, as in ours
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    left_out = ("provider", "type", "timeout", "background", "tolerance")
    kept = {key: value for key, value in one.step.declared.items() if key not in left_out}
    pauses = {"pauses": {"after": one.by.pause_s}} if one.by.pause_s and "pauses" not in kept else {}
    return {"type": "action", **kept, "provider": provider, **pauses}


def _undo_step(name: str) -> dict[str, Any]:
    provider = {"type": "python", "module": "chaoslab.runtime.actions", "func": "undo", "arguments": {"fault": name}}
    return {"name": f"undo-{name.replace('_', '-')}", "type": "action", "provider": provider}


def _recovery_step(prober: str) -> dict[str, Any]:
    arguments = {"prober": prober, "within": "60s", "stable": "1s"}
    provider = {"type": "python", "module": "chaoslab.http.probes", "func": "recovered", "arguments": arguments}
    return {"name": "service-recovers", "type": "probe", "provider": provider}
