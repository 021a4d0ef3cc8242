"""Run PostgreSQL's programs: with a deadline, as a user they accept, and with errors of one line.

PostgreSQL's server programs refuse to run as root, so root hands them to `postgres`, or to `nobody` where
there is no such user. Everybody else runs them as themselves.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import ChaoslabError, Missing

NEUTRAL_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}
"""A fixed locale keeps messages readable for us; nothing like PGDATA or PGHOST leaks in from the caller."""


class PostgresFailed(ChaoslabError):
    """A PostgreSQL program or server did not do what it was asked to."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that runs server programs when we are root."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def server_user() -> ServerUser | None:
    """Return the user for server programs, or None when the current user can run them.

    Raises:
        Missing: we are root, and there is nobody else.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        groups = os.getgrouplist(name, entry.pw_gid)
        return ServerUser(name, entry.pw_uid, entry.pw_gid, tuple(groups))
    raise Missing("a user that may run PostgreSQL (it refuses root)", "useradd --system postgres")


def run(
    command: Sequence[str | Path],
    *,
    deadline_s: float,
    user: ServerUser | None = None,
    environment: Mapping[str, str] | None = None,
    input_text: str | None = None,
) -> str:
    """Run a program to its end and return what it wrote to stdout.

    Args:
        command: program and arguments, never shell text
        deadline_s: seconds after which it is killed
        user: run as this user, which only root can ask for
        environment: added to a neutral environment
        input_text: written to its stdin

    Raises:
        PostgresFailed: it could not start, ended with an error or took too long; one line.
    """
    words = [str(word) for word in command]
    name = Path(words[0]).name
    identity = {"user": user.uid, "group": user.gid, "extra_groups": list(user.groups)} if user else {}
    try:
        done = subprocess.run(
            words,
            check=False,
            text=True,
            errors="replace",
            capture_output=True,
            timeout=deadline_s,
            cwd="/",  # the caller's folder may be closed to the server's user
            env={**NEUTRAL_ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL if input_text is None else None,
            input=input_text,
            **identity,  # type: ignore[call-overload]
        )
    except subprocess.TimeoutExpired as slow:
        raise PostgresFailed(f"{name} did not end within {deadline_s:g} s") from slow
    except (OSError, subprocess.SubprocessError) as broken:
        whom = f" as user {user.name}" if user else ""
        raise PostgresFailed(f"{name} could not be started{whom}: {broken}") from broken
    if done.returncode != 0:
        raise PostgresFailed(f"{name} failed (exit {done.returncode}): {last_line(done.stderr or done.stdout)}")
    return str(done.stdout)


def last_line(text: str, limit: int = 300) -> str:
    """Return the most telling line of a program's output: its last error, else its last line.

    Args:
        text: the output
        limit: characters kept
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "no message"
    signs = ("FATAL:", "PANIC:", "ERROR:", "error:")
    telling = [line for line in lines if any(sign in line for sign in signs)]
    return (telling or lines)[-1][:limit]
