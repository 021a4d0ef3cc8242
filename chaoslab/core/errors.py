"""What can go wrong, said in one line for people, with the exit code that the command line ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command ends with; scripts and CI jobs build on these numbers."""

    PASSED = 0
    """Passed, or skipped because its schedule says not today."""
    BROKEN = 1
    """chaoslab itself broke: never a verdict."""
    USAGE = 2
    """Bad usage or a bad file."""
    FAILED = 10
    """An objective was missed, a hypothesis deviated, or the gate failed."""
    INCONCLUSIVE = 11
    """Evidence is missing."""
    REFUSED = 12
    """Preflight, guard or lock said no; nothing was touched."""
    RESIDUE = 13
    """Something could not be undone; outranks everything else."""
    SIGHUP = 129
    """The terminal was closed, and all is undone."""
    SIGINT = 130
    """Interrupted from the keyboard, and undone."""
    SIGTERM = 143
    """Terminated, and undone."""


def one_line(text: str, *, longest: int = 400) -> str:
    """Return text that may come from a file as one printable line of a bearable length."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file, at its place."""

    file: str
    line: int
    """Counted from 1, as editors do; 0 when the whole file is meant."""
    column: int
    """Counted from 1; 0 when the whole file is meant."""
    code: str
    """A stable kebab-case word that tools can match on."""
    message: str
    """What is wrong."""
    hint: str = ""
    """What would be right."""

    def __post_init__(self) -> None:
        """Keep what a file says from breaking the line, or the terminal."""
        object.__setattr__(self, "message", one_line(self.message))
        object.__setattr__(self, "hint", one_line(self.hint))

    @property
    def text(self) -> str:
        """The message and the hint, without the place."""
        return f"{self.message}; {self.hint}" if self.hint else self.message

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """The key that sorts problems the way a reader meets them."""
        return (self.file, self.line, self.column, self.code, self.message)

    def __str__(self) -> str:
        """Return `file:line:column: message; hint`, the form that editors and CI jobs link."""
        file = one_line(self.file)
        place = f"{file}:{self.line}:{self.column}" if self.line else file
        return f"{place}: {self.text}"


class ChaoslabError(Exception):
    """An error that people are told in one line, without a traceback."""

    exit_code: int = ExitCode.BROKEN


class BadUsage(ChaoslabError):
    """The command was called in a way that makes no sense."""

    exit_code = ExitCode.USAGE


class BadFile(ChaoslabError):
    """A file says something it must not say; all problems are reported at once."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Take all problems found; at least one."""
        if not problems:
            raise ValueError("BadFile needs at least one problem")
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda problem: problem.order))
        super().__init__(*self.problems)

    def __str__(self) -> str:
        """Return one line a problem."""
        return "\n".join(str(problem) for problem in self.problems)

    def __reduce__(self) -> tuple[type[BadFile], tuple[tuple[Problem, ...]]]:
        """Survive pickling and copying, which would call the constructor with `args`."""
        return (type(self), (self.problems,))


class Refused(ChaoslabError):
    """A guard said no before anything was touched."""

    exit_code = ExitCode.REFUSED

    def __init__(self, guard: str, reason: str) -> None:
        """Name the guard (`free-disk`, `lock`, ...) and the reason for people."""
        super().__init__(guard, reason)
        self.guard = guard
        self.reason = reason

    def __str__(self) -> str:
        """Return the refusal as one line."""
        return f"refused by {self.guard}: {self.reason}"


class NoSession(Refused):
    """An action of ours was called outside a run, where nothing would undo it."""

    def __init__(self, guard: str = "session", reason: str = "") -> None:
        """Explain the usual cause unless a better reason is given."""
        super().__init__(
            guard,
            reason
            or "no run is in progress, so nothing would undo this step; start it with `chaoslab run`, "
            "or declare the control chaoslab.engine.control in the file",
        )


class Missing(ChaoslabError):
    """An extension package, a program or a capability that the exercise needs is absent."""

    exit_code = ExitCode.REFUSED

    def __init__(self, what: str, remedy: str) -> None:
        """Name what is absent and the one line that brings it."""
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        """Return what is missing and what to do about it."""
        return f"{self.what} is missing; {self.remedy}"


class Residue(ChaoslabError):
    """Something that an exercise put into the world could not be taken out again."""

    exit_code = ExitCode.RESIDUE


class Aborted(ChaoslabError):
    """A run was stopped on its way: a signal, a tripwire, or a step that must not be followed by the next."""

    exit_code = ExitCode.FAILED

    def __init__(self, reason: str) -> None:
        """Say what stopped the run (`SIGINT`, `tripwire NAME`, ...)."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Return the reason as one line."""
        return f"aborted: {self.reason}"
