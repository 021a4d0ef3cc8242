"""Find, stop and remove a server of ours, knowing nothing but its folder.

`data/postmaster.pid` names the process, so a reaper needs no handle when the server's maker is long dead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path

from chaoslab.postgres.programs.commands import PostgresFailed
from chaoslab.postgres.servers import shared_memory
from chaoslab.runtime.clock import CLOCK

POLL_S = 0.02
STATUS_LINE = 8
"""Where postmaster.pid says whether the server is starting, ready or stopping."""
SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""PostgreSQL's own meaning of the three signals."""
FORCE = (signal.SIGQUIT, signal.SIGKILL)
FORCE_PATIENCE_S = 30.0
CONTENTS = {"cluster.json", "settings.json", "password", "data", "socket", "server.log", "share"}
"""All that a cluster's folder may hold; `.new` at the end marks a file that was being written."""


def is_ready(folder: Path) -> bool:
    """Return whether the server in this folder runs and says that it takes connections."""
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= STATUS_LINE and lines[STATUS_LINE - 1].strip() == "ready" and postmaster(folder) is not None


def postmaster(folder: Path) -> int | None:
    """Return the process id of the server that runs in this folder, or None.

    A number in an old pid file may belong to a stranger by now: the process must be a living `postgres -D` of
    this very data folder.
    """
    data = folder.absolute() / "data"
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if _serves(pid, data) else None


def stop(folder: Path, mode: str = "fast", deadline_s: float = 30.0) -> None:
    """Stop the server in a folder. Harmless when it does not run.

    Args:
        folder: the cluster's folder
        mode: `smart` waits for clients, `fast` ends them, `immediate` needs crash recovery later
        deadline_s: seconds that this way may take before it is forced

    Raises:
        PostgresFailed: not even SIGKILL ended it.
    """
    data = folder.absolute() / "data"
    pid = postmaster(folder)
    if pid is None:
        return
    for number, patience_s in ((SIGNALS[mode], deadline_s), *((force, FORCE_PATIENCE_S) for force in FORCE)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # a server that somebody paused would not even notice
        if _ended(pid, data, patience_s):
            return
    raise PostgresFailed(f"the server in {folder} (process {pid}) does not stop")


def destroy(folder: Path, deadline_s: float = 10.0) -> None:
    """Stop the server in a folder and remove the folder. Harmless when there is none.

    Args:
        folder: the cluster's folder, whole or half-made
        deadline_s: seconds that the server may take to stop before it is forced

    Raises:
        PostgresFailed: the folder holds something else too, or something in it cannot be removed.
    """
    if not folder.exists():
        return
    strange = [entry.name for entry in folder.iterdir() if entry.name.removesuffix(".new") not in CONTENTS]
    if strange:
        raise PostgresFailed(f"{folder} holds {strange[0]!r}, which no server of ours has: it is left alone")
    stop(folder, "immediate", deadline_s)
    until = CLOCK.mono() + deadline_s
    while folder.exists():
        _kill_all_at_work(folder.absolute() / "data")
        shared_memory.release(folder / "data")
        try:
            shutil.rmtree(folder)
        except OSError as broken:
            if CLOCK.mono() > until:
                raise PostgresFailed(f"{folder} could not be removed: {broken}") from broken
            CLOCK.sleep(POLL_S)


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed server left behind and what would keep the next one from starting.

    The server takes the noted pid for its own if anybody has it: a stranger after a reboot, or its own zombie. A file
    that names a dead process stays: with its help the server finds out whether children of its killed predecessor are
    still at work. Call it only when the server does not run.
    """
    for leftover in (folder / "socket").glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)
    file = folder.absolute() / "data" / "postmaster.pid"
    try:
        pid = int(file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if Path(f"/proc/{pid}").exists() and not _serves(pid, file.parent):
        file.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    """Return whether this process is the server of this data folder; a zombie has no command line left."""
    try:
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _kill_all_at_work(data: Path) -> None:
    """End every program that was told to work on this data folder: an initdb whose caller was killed works on."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _serves(int(entry.name), data):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal.SIGKILL)


def _ended(pid: int, data: Path, patience_s: float) -> bool:
    """Wait for the process itself: the pid file goes first, while the port is still held."""
    until = CLOCK.mono() + patience_s
    while _serves(pid, data):
        if CLOCK.mono() > until:
            return False
        CLOCK.sleep(POLL_S)
    return True
