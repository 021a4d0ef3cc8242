"""What is known of the actions of extensions and of programs: what they break, what undoes it, what narrows them.

The knowledge is data in `known/`, one file an extension, read from the extensions' public sources; none of them is
imported. A new extension is a new file; `EXTENSIONS` names it when it holds more than its own name says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from chaoslab.core.checks.commands import commands_of

Effect = Literal["lasting", "momentary", "bounded", "gone", "undo", "scratch", "look"]
"""How long what is done stays: until it is undone, until somebody's supervisor is through with it, for a time of its
own, for ever; or that it undoes, makes something new, or only looks."""

_HARM: tuple[Effect | None, ...] = ("look", "scratch", "undo", "bounded", None, "momentary", "lasting", "gone")
"""From nothing to the worst; what nobody knows stands between."""

_FOLDER = Path(__file__).parent / "known"
_PATTERNS = ("programs", "requests")
"""Tables that go by patterns instead of names."""
_OPTIONS = r"(?:\s+(?:-\w\s+[^-\s]\S*|-\w+|--\w[\w-]*(?:=\S+|\s+[^-\s]\S*)?))*\s+"
_BEFORE_THE_VERB = {
    "<docker>": rf"\b(?:docker|podman)(?:[ -]compose)?{_OPTIONS}(?:container\s+)?",
    "<kubectl>": rf"\b(?:kubectl|oc){_OPTIONS}",
}
EXTENSIONS: Mapping[str, str] = {
    **dict.fromkeys(("os", "shutil", "time"), "python"),
    **dict.fromkeys(("chaosgrafana", "chaosk6", "chaosreliably"), "load"),
    "pdchaosazure": "chaosazure",
}


class Known(NamedTuple):
    """What is known of one action."""

    effect: Effect
    what: str = ""
    undo: tuple[str, ...] = ()
    """The functions that undo it, or for a program a pattern of the command that does."""
    same: tuple[str, ...] = ()
    """Arguments that must say the same in the undo."""
    differs: tuple[str, ...] = ()
    """Arguments that must say something else in the undo, where an action is undone by itself."""
    narrow: tuple[str, ...] = ()
    """Arguments of which at least one says whom it hits."""
    hits: str = ""
    """Whom it hits without those."""
    needs: tuple[str, ...] = ()
    """Arguments without which it does nothing."""
    silent: str = ""
    """What it takes for success."""
    ours: str = ""
    """Our fault that does the same."""
    returns: str = ""
    """What a probe returns: bool, int, mapping or list."""
    stale: bool = False
    """Whether a probe may answer from a status that is older than the fault."""


def known_function(name: str) -> Known | None:
    """Return what is known of a function, by its full name."""
    top = name.partition(".")[0]
    return _table(EXTENSIONS.get(top, top)).get(name) if top.isidentifier() else None


@lru_cache(maxsize=4096)
def known_command(command: str) -> Known | None:
    """Return what is known of a command line: of the worst that is in it; what it undoes itself is bounded."""
    found = [_first("programs", simple.text) for simple in commands_of(command)]
    worst = max(found, key=lambda known: _HARM.index(known.effect if known else None), default=None)
    if worst is None or worst.effect != "lasting" or not worst.undo or len(found) == 1:
        return worst
    after = command[_end_of(command, worst) :]
    return worst._replace(effect="bounded") if re.search(_filled(worst.undo[0]), after) else worst


@lru_cache(maxsize=4096)
def known_request(request: str) -> Known | None:
    """Return what is known of `METHOD url`."""
    return _first("requests", request)


def matches_undo(known: Known, line: str) -> bool:
    """Say whether a command line, `METHOD url` or function is what undoes a program's or a request's doing."""
    return bool(known.undo) and re.search(_filled(known.undo[0]), line) is not None


def _first(table: str, line: str) -> Known | None:
    return next((known for pattern, known in _patterns(table) if pattern.search(line)), None)


def _end_of(command: str, known: Known) -> int:
    """Return where in a command line the part ends that does what is known."""
    at = 0
    for simple in commands_of(command):
        at = max(command.find(simple.text, at), at) + len(simple.text)
        if _first("programs", simple.text) is known:
            return at
    return at


def known_names() -> frozenset[str]:
    """Return every function that is known."""
    tables = [path.stem for path in _FOLDER.glob("*.json") if path.stem not in _PATTERNS]
    return frozenset(name for table in tables for name in _table(table))


@cache
def _table(extension: str) -> dict[str, Known]:
    path = _FOLDER / f"{extension}.json"
    if extension in _PATTERNS or not os.path.isfile(path):  # whatever a file calls its modules
        return {}
    return {name: _known(entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()}


@cache
def _patterns(table: str) -> tuple[tuple[re.Pattern[str], Known], ...]:
    entries = json.loads((_FOLDER / f"{table}.json").read_text(encoding="utf-8"))
    return tuple((re.compile(_filled(entry["command"])), _known_program(entry)) for entry in entries)


def _filled(pattern: str) -> str:
    """Put in what stands before the verb of a program with many: its name and its own options."""
    for name, before in _BEFORE_THE_VERB.items():
        pattern = pattern.replace(name, before)
    return pattern


def _known(entry: Mapping[str, Any]) -> Known:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Known(**fields)


def _known_program(entry: Mapping[str, Any]) -> Known:
    undo = tuple(entry[key] for key in ("undo", "remedy") if key in entry)
    return Known(entry["effect"], entry["what"], undo, ours=entry.get("ours", ""))
