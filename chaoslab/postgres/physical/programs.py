"""Ask the tools that keep repositories: with a deadline, as a user that may, in an environment that is known."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import Missing
from chaoslab.postgres.programs.commands import ServerUser
from chaoslab.postgres.programs.tools import running
from chaoslab.postgres.servers.folders import write_private

ASK_DEADLINE_S = 300.0
"""A list of a large repository on S3 takes a while; a question that hangs must not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool said, and how it ended."""

    status: int
    """0 means success; a negative number is the signal that killed it."""
    output: str
    messages: str
    """What it wrote to stderr."""


def found_program(name: str, remedy: str) -> str:
    """Return the path of a tool.

    Raises:
        Missing: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise Missing(f"the program {name}", remedy)
    return path


def asked(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    user: ServerUser | None = None,
    deadline_s: float = ASK_DEADLINE_S,
    watch: Callable[[], None] = lambda: None,
) -> Answer:
    """Run a tool to its end, whatever that is.

    Args:
        command: program and arguments, never shell text
        environment: added to a neutral environment
        user: run as this user, which only root can ask for
        deadline_s: seconds after which it is killed
        watch: called again and again meanwhile; what it raises stops the tool

    Raises:
        PostgresFailed: it could not be started.
        TookTooLong: the deadline passed.
    """
    with tempfile.TemporaryFile() as output:
        with running(command, environment=environment, user=user, stdout=output) as program:
            ended = program.wait(deadline_s, watch)
        output.seek(0)
        return Answer(ended.status, output.read().decode(errors="replace"), ended.messages)


def write_script(path: Path, lines: Sequence[str], user: ServerUser | None) -> str:
    """Write a shell script that only one user may read and run, whole at every moment, and return it as a word.

    Args:
        path: the script; while it is used by somebody, the same text changes nothing
        lines: all that it does
        user: whose it becomes; None leaves it ours
    """
    text = "\n".join(["#!/bin/sh", *lines, ""])
    if not path.exists() or path.read_text() != text:
        new = path.with_name(f"{path.name}.new")
        write_private(new, text, user)
        new.chmod(0o700)
        new.replace(path)
    return shlex.quote(str(path).replace("%", "%%"))
