"""A `tc` that is told lines and asked in between: one start of a program for a whole undo."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from chaoslab.network.looks import items
from chaoslab.network.namespace import DEADLINE_S, Place, start_at
from chaoslab.network.programs import ProgramFailed, finish
from chaoslab.runtime.clock import CLOCK

_ARGV = ("tc", "-s", "-j", "-batch", "-")


class Batch:
    """A running `tc -batch`; it stops at the first line that fails."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take the program."""
        self._process = process
        self._ended = False

    def ask(self, *lines: str) -> list[dict[str, Any]]:
        """Tell it some lines, of which the last shows something, and return what that shows.

        Raises:
            ProgramFailed: one of them failed, or it did not answer in time.
        """
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError):  # it has stopped: what it said is told below
            stdin.write("\n".join(lines) + "\n")
            stdin.flush()
        return items(self._line())

    def end(self, *lines: str) -> None:
        """Tell it some last lines, and await its end.

        Raises:
            ProgramFailed: one of all its lines failed.
        """
        self._ended = True
        finish(self._process, _ARGV, stdin="".join(f"{line}\n" for line in lines), deadline_s=DEADLINE_S)

    def stop(self) -> None:
        """Let it go, whatever it has done; harmless when it ended."""
        if not self._ended:
            with suppress(ProgramFailed):
                self.end()

    def _line(self) -> str:
        """Return one line of JSON, as it shows one thing."""
        stdout = self._process.stdout
        assert stdout is not None
        got, until_s = b"", CLOCK.mono() + DEADLINE_S
        while not got.endswith(b"\n"):
            left_s = max(until_s - CLOCK.mono(), 0.0)
            if not select.select([stdout], [], [], left_s)[0]:
                raise ProgramFailed(f"{' '.join(_ARGV)} did not answer within {DEADLINE_S:g} s")
            piece = os.read(stdout.fileno(), 65536)
            if not piece:
                self.end()
                raise ProgramFailed(f"{' '.join(_ARGV)} ended without an answer")
            got += piece
        return got.decode()


@contextmanager
def batch(place: Place, held: int) -> Iterator[Batch]:
    """Start a `tc -batch` in a place whose turn is held; it holds the turn too, as long as it lives.

    Raises:
        Missing: there is no `tc`.
    """
    talk = Batch(start_at(held, place, _ARGV, pass_fds=(held,)))
    try:
        yield talk
    finally:
        talk.stop()
