"""Run PostgreSQL's client programs beside other work: with a deadline, stoppable, their messages kept."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from chaoslab.postgres.programs.commands import NEUTRAL_ENVIRONMENT, PostgresFailed, ServerUser
from chaoslab.runtime.clock import CLOCK

POLL_S = 0.02
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Has the kernel end a program with the thread that started it and waits for it, even when we are killed."""
MESSAGES_MAX_BYTES = 1_000_000
"""A restore into the wrong database can complain for gigabytes; the first megabyte says it all."""


class TookTooLong(PostgresFailed):
    """A program did not end within its deadline and was killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    name: str
    status: int
    """0 means success; a negative number is the signal that killed it."""
    messages: str
    """What it wrote to stderr."""
    duration_s: float


@dataclass
class Running:
    """A program at work."""

    name: str
    process: subprocess.Popen[bytes]
    messages: IO[bytes]
    started_mono_s: float

    def wait(self, deadline_s: float, watch: Callable[[], None] = lambda: None) -> Ended:
        """Wait for its end.

        Args:
            deadline_s: seconds after its start at which it is killed
            watch: called again and again meanwhile; what it raises stops the program

        Raises:
            TookTooLong: the deadline passed.
        """
        while self.process.poll() is None:
            watch()
            if CLOCK.mono() - self.started_mono_s > deadline_s:
                self.kill()
                raise TookTooLong(f"{self.name} did not end within {deadline_s:g} s")
            CLOCK.sleep(POLL_S)
        duration_s = CLOCK.mono() - self.started_mono_s
        self.messages.seek(0)
        text = self.messages.read(MESSAGES_MAX_BYTES).decode(errors="replace")
        return Ended(self.name, self.process.returncode, text, duration_s)

    def kill(self) -> None:
        """End it and its workers, however it is."""
        with suppress(ProcessLookupError):  # it may have ended by itself a moment ago
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    user: ServerUser | None = None,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> Iterator[Running]:
    """Start a program in a process group of its own; whatever happens, it has ended afterwards.

    Args:
        command: program and arguments, never shell text
        environment: added to a neutral environment
        user: run as this user, which only root can ask for
        stdin: what it reads; nothing if not given
        stdout: where its output goes; nowhere if not given

    Raises:
        PostgresFailed: it could not be started.
    """
    words = [str(word) for word in command]
    name = Path(words[0]).name
    identity: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": list(user.groups)} if user else {}
    with tempfile.TemporaryFile() as messages:
        try:
            process = subprocess.Popen(
                _with_us(words),
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.DEVNULL,
                stderr=messages,
                cwd="/",
                env={**NEUTRAL_ENVIRONMENT, **(environment or {})},
                start_new_session=True,
                **identity,
            )
        except OSError as broken:
            raise PostgresFailed(f"{name} could not be started: {broken.strerror or broken}") from None
        program = Running(name, process, messages, CLOCK.mono())
        try:
            yield program
        finally:
            if process.poll() is None:
                program.kill()


def _with_us(words: Sequence[str]) -> Sequence[str]:
    """Return the command that also ends when we do; raise OSError as its start would, if there is no such program."""
    if shutil.which(words[0], path=NEUTRAL_ENVIRONMENT["PATH"]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return [*WITH_US, *words] if shutil.which(WITH_US[0]) else words
