"""Markdown out of text that was not written for it: whatever a server said, it is shown and does nothing."""

import re
from collections.abc import Sequence
from typing import Literal

from chaoslab.report.wording import clip

_SPECIAL = re.compile(r"[\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w)|(?<!\S)[#@]|^[-+](?=[\s-]|$)")
_LIST_NUMBER = re.compile(r"^(\d+)(?=[.)](\s|$))")
_BACKTICKS = re.compile(r"`+")

type Align = Literal["left", "right"]


def prose(text: str, length: int = 1000) -> str:
    """Return text as Markdown that renders as that very text, on one line."""
    return _LIST_NUMBER.sub(r"\1\\", _SPECIAL.sub(r"\\\g<0>", clip(_printable(text), length)))


def code(text: str, length: int = 200) -> str:
    """Return text as a code span, on one line; '' becomes nothing."""
    line = clip(_printable(text), length)
    if not line:
        return ""
    fence = "`" * (max((len(run) for run in _BACKTICKS.findall(line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def code_cell(text: str, length: int = 120) -> str:
    """Return text for a cell of a table; parsers disagree on pipes in code spans, so such text becomes prose."""
    return prose(text, length) if "|" in text else code(text, length)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Return the lines of a table whose columns are aligned in the raw text too.

    Args:
        head: the names of the columns.
        rows: cells, already Markdown.
        right: the numbers of the columns that are aligned to the right.
    """
    widths = [max(3, *(len(row[column]) for row in [head, *rows])) for column in range(len(head))]
    widths[-1] = max(3, len(head[-1]))  # nothing stands to the right of the last column: it may be ragged
    rule = ["-" * (width - 1) + ":" if column in right else "-" * width for column, width in enumerate(widths)]
    return [_row(cells, widths, right) for cells in [head, rule, *rows]]


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _printable(text: str) -> str:
    """Show control and formatting characters as their codes: they would act on a terminal or hide text."""
    return "".join(
        char if char in "\t\n\r" or char.isprintable() or char.isspace() else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{{{ord(char):x}}}"
