"""Steps of others for which we have a fault that does the same: the step as we would write it, or why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from chaoslab.core.checks.commands import Command, commands_of
from chaoslab.core.checks.known import known_command, matches_undo
from chaoslab.core.checks.view import Step
from chaoslab.core.proposal.equivalent import Equivalent, Unlike
from chaoslab.core.proposal.programs import equivalent_of_command
from chaoslab.core.proposal.toxics import toxic
from chaoslab.core.units import duration_text

_TOXICS = re.compile(r"^POST \S*/proxies/[^/]+/toxics$")
_SLEEP = re.compile(r"sleep (\d+(?:\.\d+)?)s?")


def equivalent_of(step: Step) -> Equivalent | str:
    """Return our fault in place of a step; where there is none, why not, or '' where there is nothing to say."""
    try:
        if step.function:
            maker = _FUNCTIONS.get(step.function)
            return maker(step.arguments) if maker else ""
        if step.kind == "http" and _TOXICS.match(step.line):
            return _generic(step.arguments)
        return _of_commands(step.command) if step.command else ""
    except Unlike as why:
        return str(why)


def _of_commands(line: str) -> Equivalent | str:
    """Return our fault for a line of which one command disturbs, and the others look, wait or undo that."""
    commands = commands_of(line)
    acting = [one for one in commands if not _is_beside(one)]
    if len(acting) != 1:
        return "several commands in one line: make each a step of its own" if len(acting) > 1 else ""
    fault = equivalent_of_command(acting[0])
    beside = [one.text for one in commands if one is not acting[0] and one.text not in ("true", ":")]
    waits = sum(float(found[1]) for text in beside if (found := _SLEEP.fullmatch(text)))
    known = known_command(acting[0].text)
    left_out = [text for text in beside if not _SLEEP.fullmatch(text) and not (known and matches_undo(known, text))]
    if left_out:
        return f"more in one line than our fault does: `{left_out[0]}`"
    return fault._replace(pause_s=fault.pause_s or waits)


def _is_beside(command: Command) -> bool:
    known = known_command(command.text)
    return command.text in ("true", ":") or (known is not None and known.effect in ("look", "undo"))


def _latency(arguments: Mapping[str, Any]) -> Equivalent:
    return toxic("latency", arguments, arguments.get("stream", ""), toxicity=arguments.get("toxicity"))


def _bandwidth(arguments: Mapping[str, Any]) -> Equivalent:
    return toxic("bandwidth", arguments, arguments.get("stream", ""), toxicity=arguments.get("toxicity"))


def _timeout(arguments: Mapping[str, Any]) -> Equivalent:
    return toxic("timeout", {}, "", toxicity=arguments.get("toxicity"))


def _down(_: Mapping[str, Any]) -> Equivalent:
    return toxic("down", {}, "")


def _generic(arguments: Mapping[str, Any]) -> Equivalent:
    attributes = arguments.get("attributes")
    kind = str(arguments.get("toxic_type") or arguments.get("type") or "")
    stream = str(arguments.get("stream") or "downstream")
    return toxic(kind, attributes if isinstance(attributes, dict) else {}, stream, toxicity=arguments.get("toxicity"))


_FUNCTIONS: Mapping[str, Callable[[Mapping[str, Any]], Equivalent]] = {
    "chaostoxi.toxic.actions.create_toxic": _generic,
    "chaostoxi.toxic.actions.create_latency_toxic": _latency,
    "chaostoxi.toxic.actions.create_bandwith_degradation_toxic": _bandwidth,
    "chaostoxi.toxic.actions.create_timeout_toxic": _timeout,
    "chaostoxi.proxy.actions.disable_proxy": _down,
}


def time_to_live(pauses_s: float) -> str:
    """Return how long a fault may stand without the runner's word: amply longer than it is meant to."""
    return duration_text(max(60, round(pauses_s * 2 + 30)))
