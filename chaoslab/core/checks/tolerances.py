"""Rules about tolerances that are always met, never met, or break the run off when they are asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.known import known_function
from chaoslab.core.checks.outcomes import RESPONSE, Output, output_of, target_of
from chaoslab.core.checks.view import Step, View
from chaoslab.core.positions import Path

_ANYTHING = ("", "\x00", "zq 7\u00e9\n-", "a" * 40)
"""Texts that have nothing in common: a pattern that finds itself in all of them says nothing."""
_LAST_EXIT = 255
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNREADABLE = re.compile(r"^[^$]|^\$\w|'|==|\.\w*-|\.\d|\.$|[^\x00-\x7f]|\[[A-Za-z]", re.ASCII)
"""What the engine's reader of paths stumbles over, outside of strings."""
_FIRST_KEY = re.compile(r"""\$(?:\.(?P<plain>\w+)|\[\s*(?P<quote>["'])(?P<quoted>[^"']*)(?P=quote)\s*\])""")


def tolerances(view: View) -> Iterator[Told]:
    """Look at every tolerance of the hypothesis."""
    for step in view.probes:
        yield from judged(view, step)


def judged(view: View, step: Step) -> Iterator[Told]:
    """Look at the tolerance of one probe."""
    if "tolerance" in step.data:
        for told in _judge(view, step, step.data["tolerance"], (*step.path, "tolerance")):
            yield told._replace(at_key=True)


def _judge(view: View, step: Step, tolerance: Any, path: Path) -> Iterator[Told]:
    output = output_of(step)
    if isinstance(tolerance, str) and view.is_open(tolerance):
        return
    tolerance = view.filled(tolerance)
    if isinstance(tolerance, dict):
        yield from _typed(view, step, tolerance, output, path)
    elif isinstance(tolerance, list):
        yield from _listed(tolerance, output, path)
    elif output.kind:
        yield from _plain(tolerance, output, step, path)


def _plain(tolerance: Any, output: Output, step: Step, path: Path) -> Iterator[Told]:
    """Judge a bare value, which the output must equal; the status of a response."""
    never = False
    if isinstance(tolerance, bool):
        never = output.kind in ("response", "mapping", "list")
    elif isinstance(tolerance, str):
        never = output.kind in ("response", "bool", "int", "mapping", "list")
    elif isinstance(tolerance, int):
        never = output.kind == "list" or (output.kind == "bool" and tolerance not in (0, 1))
        never = never or (step.kind == "http" and not 100 <= tolerance <= 599)
    if never:
        shown = f"'{tolerance}'" if isinstance(tolerance, str) else str(tolerance).lower()
        message = f"is never met: the probe gives {output.told}, which is never {shown}"
        yield Told(path, "never-met", message, _plain_remedy(step, output))


def _plain_remedy(step: Step, output: Output) -> str:
    if output.kind == "response":
        return "write the status: " + ("200" if step.kind == "http" else "0")
    if output.kind == "bool":
        return "write true or false"
    return "write a tolerance with a type, such as {type: jsonpath, path: ...}"


def _listed(tolerance: list[Any], output: Output, path: Path) -> Iterator[Told]:
    """Judge a list: for a response the statuses that will do, else two bounds, else the values that will do."""
    numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in tolerance)
    if not tolerance:
        yield Told(path, "never-met", "is never met: the list is empty", "list the values that will do")
    elif output.kind == "response":
        if not any(isinstance(item, int) for item in tolerance):
            message = f"is never met: the list is held against the status, and holds {tolerance[0]!r}"
            yield Told(path, "never-met", message, "write the status as a number")
        elif numbers and len(tolerance) == 2 and tolerance[1] % 100 == 99:
            low, high = tolerance
            message = f"only {low} and {high} will do, nothing between: of a response the list is no range"
            remedy = "write {type: range, target: status, range: [...]} for a range"
            yield Told(path, "list-is-range", message, remedy)
    elif len(tolerance) == 2 and numbers and tolerance[0] > tolerance[1]:
        message = f"nothing lies between {tolerance[0]} and {tolerance[1]}"
        yield Told(path, "empty-range", message, "write the lower bound first")
    elif len(tolerance) == 2 and all(isinstance(item, str) for item in tolerance):
        message = "two values are a range: every text that sorts between the two will do"
        remedy = "write {type: regex, pattern: '^(one|other)$'} for a choice"
        yield Told(path, "list-is-range", message, remedy)


def _typed(view: View, step: Step, tolerance: Mapping[str, Any], output: Output, path: Path) -> Iterator[Told]:
    judged = target_of(output, tolerance.get("target"))
    if tolerance.get("target") and output.kind in ("bool", "int", "list"):
        message = f"breaks the run off: {output.told} has no '{tolerance['target']}'"
        yield Told((*path, "target"), "tolerance-raises", message, "remove `target`")
        return
    match tolerance.get("type"):
        case "probe":
            yield from _judging_probe(tolerance, path)
        case "regex":
            yield from _regex(view, tolerance, judged, path)
        case "jsonpath":
            yield from _jsonpath(view, step, tolerance, judged, path)
        case "range":
            yield from _range(tolerance, judged, step, path)


def _judging_probe(tolerance: Mapping[str, Any], path: Path) -> Iterator[Told]:
    provider = tolerance.get("provider")
    if not isinstance(provider, dict):
        return
    kind = provider.get("type")
    if kind in RESPONSE:
        message = f"is always met: what a probe by {kind} gives is a mapping, and any mapping counts as yes"
        yield Told(path, "always-met", message, "judge by a Python function that returns true or false")
        return
    known = known_function(f"{provider.get('module')}.{provider.get('func')}")
    if known is not None and known.returns in ("mapping", "list"):
        message = f"is met by any {known.returns} that is not empty, whatever it says"
        yield Told(path, "always-met", message, "judge by a function that returns true or false", "warning")


def _regex(view: View, tolerance: Mapping[str, Any], judged: Output, path: Path) -> Iterator[Told]:
    if judged.kind and judged.kind != "text":
        message = f"breaks the run off: a pattern is looked for in text, and this is {judged.told}"
        remedy = f"add `target: {judged.keys[-1] if 'body' in judged.keys else 'stdout'}`"
        yield Told(path, "tolerance-raises", message, remedy if judged.keys else "use another type of tolerance")
    pattern = view.filled(tolerance.get("pattern"))
    if not isinstance(pattern, str) or view.is_open(pattern):
        return
    try:
        finds_all = all(re.search(pattern, text) for text in _ANYTHING)
    except (re.error, RecursionError, OverflowError):
        return  # told as a bad value
    if finds_all:
        message = f"is always met: the pattern '{pattern}' is found in any text"
        yield Told((*path, "pattern"), "always-met", message, "write what must be in it")


def _jsonpath(view: View, step: Step, tolerance: Mapping[str, Any], judged: Output, path: Path) -> Iterator[Told]:
    expression = view.filled(tolerance.get("path"))
    if not isinstance(expression, str) or view.is_open(expression):
        return
    expression = expression.strip()
    if _UNREADABLE.search(_STRING.sub("", expression)):
        message = "is no path that the engine can read: it refuses the whole file"
        remedy = 'begin it with `$.`; write other names than letters, digits and _ as `$["a-name"]`'
        yield Told((*path, "path"), "bad-jsonpath", message, remedy)
        return
    open_end = "expect" not in tolerance and tolerance.get("count") is None
    if expression == "$" and open_end:
        yield Told((*path, "path"), "always-met", "is always met: `$` is whatever there is", "write `expect: VALUE`")
    first = _FIRST_KEY.match(expression)
    key = (first["plain"] or first["quoted"]) if first else ""
    if judged.kind == "response" and expression in {f"$.{key}" for key in judged.keys} and not _asks(tolerance):
        yield Told(
            (*path, "path"), "always-met", f"is always met: there is a '{key}' in {judged.told}", "write `expect`"
        )
    missing = judged.kind in ("bool", "int") and first is not None
    missing = missing or (judged.kind == "response" and first is not None and key not in judged.keys)
    if not missing:
        return
    message = f"matches nothing: the probe gives {judged.told}, without '{key}'"
    remedy = "use another type of tolerance"
    if judged.kind == "response":
        remedy = f"add `target: {'body' if step.kind == 'http' else 'stdout'}`"
    code = "always-met" if tolerance.get("count") == 0 and "expect" not in tolerance else "never-met"
    yield Told((*path, "path"), code, message, remedy)


def _asks(tolerance: Mapping[str, Any]) -> bool:
    """Say whether a path asks for more than that there is something."""
    return "expect" in tolerance or tolerance.get("count") not in (None, 1)


def _range(tolerance: Mapping[str, Any], judged: Output, step: Step, path: Path) -> Iterator[Told]:
    if judged.kind in ("response", "mapping", "list"):
        message = f"breaks the run off: a range holds a number, and this is {judged.told}"
        yield Told(path, "tolerance-raises", message, f"add `target: {'status' if judged.keys else 'KEY'}`")
    bounds = tolerance.get("range")
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds):
        return
    if step.kind == "process" and tolerance.get("target") == "status" and bounds[0] <= 0 and bounds[1] >= _LAST_EXIT:
        yield Told((*path, "range"), "always-met", "is always met: every exit code lies in it", "write 0")
    if step.kind == "http" and tolerance.get("target") == "status":
        if bounds[0] <= 100 and bounds[1] >= 599:
            yield Told((*path, "range"), "always-met", "is always met: every status lies in it", "write [200, 299]")
        elif bounds[1] < 100 or bounds[0] > 599:
            yield Told((*path, "range"), "never-met", "is never met: no status lies in it", "write [200, 299]")


RULES = (tolerances,)
