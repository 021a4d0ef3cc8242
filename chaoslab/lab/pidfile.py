"""Pid files that cannot be mistaken: the pid alone on the first line, then the process's start time and the boot."""

from __future__ import annotations

import os
from pathlib import Path

from chaoslab.runtime.identity import ProcessIdentity, identify


def write_atomically(path: Path, text: str) -> None:
    """Write a private file; a reader sees the old text or the new one, never half."""
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    new.replace(path)


def write_pid(path: Path, pid: int) -> ProcessIdentity | None:
    """Note a living process; None when it is gone already.

    The first line is the pid, as everywhere, so that `kill $(head -n1 FILE)` works too.
    """
    identity = identify(pid)
    if identity is not None:
        write_atomically(path, f"{identity.pid}\n{identity.started}\n{identity.boot}\n")
    return identity


def read_pid(path: Path) -> ProcessIdentity | None:
    """Return the process that a file names, when it is alive; None when it is not or the file says nothing."""
    try:
        pid, started, boot = path.read_text().split()
        identity = ProcessIdentity(int(pid), int(started), boot)
    except (OSError, ValueError):
        return None
    return identity if identity.is_alive() else None
