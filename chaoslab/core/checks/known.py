"""What is known of the actions of extensions and of programs: what they break, what undoes it, what narrows them.

The knowledge is data in `known/`, one file an extension, read from the extensions' public sources; none of them is
imported. A new extension is a new file; `EXTENSIONS` names it when it holds more than its own name says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

Effect = Literal["lasting", "momentary", "bounded", "gone", "undo", "scratch", "look"]
"""How long what is done stays: until it is undone, until somebody's supervisor is through with it, for a time of its
own, for ever; or that it undoes, makes something new, or only looks."""

_FOLDER = Path(__file__).parent / "known"
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


def known_command(command: str) -> Known | None:
    """Return what is known of a command line."""
    for pattern, known in _programs():
        if pattern.search(command):
            return known
    return None


def known_names() -> frozenset[str]:
    """Return every function that is known."""
    tables = [path.stem for path in _FOLDER.glob("*.json") if path.stem != "programs"]
    return frozenset(name for table in tables for name in _table(table))


@cache
def _table(extension: str) -> dict[str, Known]:
    path = _FOLDER / f"{extension}.json"
    if extension == "programs" or not path.is_file():
        return {}
    return {name: _known(entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()}


@cache
def _programs() -> tuple[tuple[re.Pattern[str], Known], ...]:
    entries = json.loads((_FOLDER / "programs.json").read_text(encoding="utf-8"))
    return tuple((re.compile(entry["command"]), _known_program(entry)) for entry in entries)


def _known(entry: Mapping[str, Any]) -> Known:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Known(**fields)


def _known_program(entry: Mapping[str, Any]) -> Known:
    undo = tuple(entry[key] for key in ("undo", "remedy") if key in entry)
    return Known(entry["effect"], entry["what"], undo, ours=entry.get("ours", ""))
