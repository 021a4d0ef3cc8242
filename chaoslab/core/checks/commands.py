"""Command lines of others: what a shell runs one after another, and what of it is run somewhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_PIECES = re.compile(
    r"""(?P<end>&&|\|\||;|\n|\|&?|(?<![<>])&(?!>))
    |'[^']*'|"(?:[^"\\]|\\.)*"|\$\([^()]*\)|\\.|.""",
    re.VERBOSE | re.DOTALL,
)
_PATH = r"(?:\S*/)?"
_HARMLESS = re.compile(
    rf"(?:[A-Za-z_]\w*=\S*\s+|[({{!]\s*|(?:then|do|else)\s+"
    rf"|{_PATH}(?:sudo|doas|nohup|time|exec|env|command|setsid|nice)(?:\s+-u\s+\S+|\s+-[A-Za-z]+(?=\s))*\s+"
    rf"|{_PATH}timeout(?:\s+-\S+)*\s+[\d.]+[smhd]?\s+)+"
)
_OPTIONS = r"(?:\s+(?:-[uew]|--(?:user|env|workdir|index))[ =]\S+|\s+-\S+)*"
_SHELL = re.compile(rf"{_PATH}(?:ba|z|da|k|a)?sh(?:\s+-\w+)*?\s+-\w*c\s+(?P<text>.+)", re.DOTALL)
_WRAPPERS = tuple(
    re.compile(pattern + r"\s+", re.DOTALL)
    for pattern in (
        rf"{_PATH}(?:docker|podman)(?:-|\s+)compose(?:\s+-[fp]\s+\S+|\s+-\S+)*\s+exec{_OPTIONS}\s+(?P<compose>[^\s-]\S*)",
        rf"{_PATH}(?:docker|podman)(?:\s+container|\s+-\S+)*\s+exec{_OPTIONS}\s+(?P<container>[^\s-]\S*)",
        rf"{_PATH}ip\s+netns\s+exec\s+(?P<netns>\S+)",
        rf"{_PATH}nsenter(?:\s+(?:-t|--target)[ =]?(?P<pid>\S+)|\s+-\S+)+",
        rf"{_PATH}(?:kubectl|oc)\s(?:(?!\s--\s).)*?\bexec\b.*?\s--(?P<elsewhere>)",
        rf"{_PATH}ssh(?:\s+-[ilpoFJ]\s*\S+|\s+-\w+)*\s+(?P<elsewhere>[^\s-]\S*)",
    )
)


class Where(NamedTuple):
    """Where a command is run, when not here."""

    container: str = ""
    compose: str = ""
    netns: str = ""
    pid: str = ""
    elsewhere: bool = False
    """In a pod, or on another machine."""


class Command(NamedTuple):
    """One program with its arguments, as it is run in the end."""

    text: str
    where: Where = Where()


def commands_of(text: str) -> list[Command]:
    """Return the simple commands of a text, looked at through shells, sudo, `docker exec` and the like."""
    return list(_commands(text, Where(), depth=0))


def _commands(text: str, where: Where, *, depth: int) -> Iterator[Command]:
    for part in _parts(text):
        found = _HARMLESS.match(part)
        inner, place = (part[found.end() :] if found else part), where
        shell = _SHELL.fullmatch(inner)
        wrapper = None if shell else next(filter(None, (one.match(inner) for one in _WRAPPERS)), None)
        if wrapper is not None:
            place = _place(wrapper.groupdict())
            inner = inner[wrapper.end() :]
        elif shell is not None:
            inner = shell["text"]
        if depth < 4 and (wrapper is not None or shell is not None):
            yield from _commands(_unquoted(inner), place, depth=depth + 1)
        else:
            yield Command(_closed(inner.strip()), place)


def _place(said: Mapping[str, str | None]) -> Where:
    container, compose, netns, pid = (said.get(name) or "" for name in ("container", "compose", "netns", "pid"))
    return Where(container, compose, netns, pid, "elsewhere" in said)


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between `;`, `&&`, `|` and the like; quotes and `$(...)` stay whole."""
    begin = 0
    for piece in _PIECES.finditer(text):
        if piece["end"]:
            if part := text[begin : piece.start()].strip():
                yield part
            begin = piece.end()
    if part := text[begin:].strip():
        yield part


def _closed(text: str) -> str:
    """Leave out a bracket at the end that was opened before the command."""
    while text.endswith((")", "}")) and text.count(text[-1]) > text.count({")": "(", "}": "{"}[text[-1]]):
        text = text[:-1].rstrip()
    return text


def _unquoted(text: str) -> str:
    stripped = text.strip()
    whole = len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "'\""
    return stripped[1:-1] if whole and stripped[0] not in stripped[1:-1] else stripped
