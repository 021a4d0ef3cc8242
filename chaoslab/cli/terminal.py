"""How the commands write: data on stdout, commentary on stderr, colours and marks where they can be read."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import click

from chaoslab.core.errors import one_line
from chaoslab.runtime.secrets import Secrets

_MARKS = {
    "ok": ("✓", "ok", "green"),
    "bad": ("✗", "x", "red"),
    "warn": ("!", "!", "yellow"),
    "none": ("·", ".", "bright_black"),
    "go": ("▶", ">", "cyan"),
}
_LONGEST = 4000
"""Characters of one text in a line."""
_LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"(?!\x1b\[[0-9;]*m)[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, but line ends, tabs and the start of a colour, which is as much as we write ourselves."""
_KIND_OF = {
    "ok": "ok",
    "passed": "ok",
    "met": "ok",
    "failed": "bad",
    "missed": "bad",
    "missing": "bad",
    "deviated": "bad",
    "residue": "bad",
    "aborted": "warn",
    "refused": "warn",
    "interrupted": "warn",
    "inconclusive": "warn",
    "unknown": "warn",
    "warning": "warn",
    "skipped": "none",
    "note": "none",
    "running": "go",
}


def say(text: str = "", *, redact: bool = True) -> None:
    """Write data to stdout."""
    click.echo(_writable(text, sys.stdout, redact=redact), color=colored(sys.stdout))


def tell(text: str = "") -> None:
    """Write a line of commentary to stderr."""
    click.echo(_writable(text, sys.stderr, redact=True), err=True, color=colored(sys.stderr))


def say_json(data: Any, *, redact: bool = True) -> None:
    """Write JSON to stdout, without the passwords that connection strings hold unless they are what is asked for."""
    shown = Secrets().redact_json(data) if redact else data
    say(json.dumps(shown, indent=2, ensure_ascii=False, default=str), redact=False)


def harmless(text: str) -> str:
    """Return text with control characters written out: what a server calls a database is not to move the cursor."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def flat(value: Any) -> Any:
    """Return data with each text in it as one printable line, for what files and servers say inside lines of ours."""
    match value:
        case str():
            return one_line(value, longest=_LONGEST)
        case Mapping():
            return {flat(name): flat(item) for name, item in value.items()}
        case list() | tuple():
            return type(value)(map(flat, value))
    return value


def colored(stream: TextIO) -> bool:
    """Say whether colours may be written to a stream: a terminal that can, and NO_COLOR is not set."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def animated(stream: TextIO) -> bool:
    """Say whether a stream is a screen on which a line can be written again."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def mark(outcome: str) -> str:
    """Return the coloured mark of an outcome: a tick, a cross, an exclamation mark."""
    fancy, plain, color = _MARKS[_KIND_OF.get(outcome, "none")]
    return click.style(fancy if all(_can(fancy, stream) for stream in _streams()) else plain, fg=color)


def styled(text: str, outcome: str) -> str:
    """Return text in the colour of an outcome."""
    return click.style(text, fg=_MARKS[_KIND_OF.get(outcome, "none")][2], bold=True)


def faint(text: str) -> str:
    """Return text that may be overlooked."""
    return click.style(text, dim=True)


def table(rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), indent: str = "") -> str:
    """Return rows in columns as wide as needed; the last column runs on. Colours take no room."""
    lines = [[_LINE_END.sub(" ", cell) for cell in row] for row in (*([head] if head else []), *rows)]
    if not lines:
        return ""
    columns = max(len(line) for line in lines)
    widths = [max((_width(line[n]) for line in lines if n < len(line)), default=0) for n in range(columns)]
    return "\n".join(indent + _row(line, widths) for line in lines)


def plural(count: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _streams() -> list[TextIO]:
    """Return where marks may end up: the real streams, also while a live screen stands in for them."""
    return [stream for stream in (sys.__stdout__, sys.__stderr__) if stream is not None]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=False)]
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    return len(click.unstyle(text))


def _can(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _writable(text: str, stream: TextIO, *, redact: bool) -> str:
    """Return text that the stream's encoding can carry: no name may end a run with an error, or steer the terminal."""
    text = harmless(Secrets().redact(text) if redact else text)
    if _can(text, stream):
        return text
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
