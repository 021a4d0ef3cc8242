"""One thing that a check says about a file."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from chaoslab.core.errors import Problem, one_line
from chaoslab.core.positions import Path

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Told(NamedTuple):
    """What a rule says: where, what is wrong, what would be right."""

    path: Path
    code: str
    message: str
    remedy: str
    severity: Severity | None = None
    """None for the first one that the code has in `codes`."""
    at_key: bool = True


class Finding(NamedTuple):
    """What a check says about a file, with its place for people and its place for a baseline."""

    file: str
    line: int
    """Counted from 1; 0 when the whole file is meant."""
    column: int
    code: str
    severity: Severity
    place: str
    """Where in the file, by names and not by numbers: `method[kill-pod].provider.arguments`."""
    message: str
    remedy: str
    fatal: bool = False
    """Whether the file cannot be run at all."""

    @property
    def position(self) -> str:
        """The place as editors link it."""
        file = one_line(self.file)
        return f"{file}:{self.line}:{self.column}" if self.line else file

    @property
    def text(self) -> str:
        """The message, and what to do."""
        text = f"{self.message}; {self.remedy}" if self.remedy else self.message
        return one_line(text, longest=1000)

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        return self._asdict()


def finding_of(problem: Problem, severity: Severity, place: str, *, fatal: bool = False) -> Finding:
    """Make a finding of a problem."""
    return Finding(
        problem.file,
        problem.line,
        problem.column,
        problem.code,
        severity,
        one_line(place, longest=200),
        problem.message,
        problem.hint,
        fatal,
    )
