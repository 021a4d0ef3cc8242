"""Pid files that cannot be mistaken: the pid on the first line, the process's start time on the second."""

from __future__ import annotations

from pathlib import Path

from chaoslab.postgres.servers.folders import write_private
from chaoslab.runtime.identity import ProcessIdentity, boot_id, identify


def write_pid(path: Path, pid: int) -> None:
    """Note a living process; one that is gone already is not noted.

    The first line is the pid, as everywhere, so that `kill $(head -n1 FILE)` works too. The start time is in clock
    ticks since boot.
    """
    identity = identify(pid)
    if identity is not None:
        write_private(path, f"{identity.pid}\n{identity.started}\n")


def read_pid(path: Path) -> ProcessIdentity | None:
    """Return the process that a file names, when it is alive; None when it is not or the file says nothing."""
    try:
        pid, started = path.read_text().split()
        identity = ProcessIdentity(int(pid), int(started), boot_id())
    except (OSError, ValueError):
        return None
    return identity if identity.is_alive() else None
