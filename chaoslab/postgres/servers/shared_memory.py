"""The piece of System V shared memory by which a PostgreSQL server guards its data folder.

A server that is killed cannot give it back. The next server in the same folder would; a folder that is removed has
no next one.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

_KEY_LINE = 7
"""Where postmaster.pid names the segment: its key and its id."""
_REMOVE = 0
"""IPC_RMID of shmctl(2)."""


def release(data: Path) -> None:
    """Remove the segment that the dead server of a data folder left behind. Harmless when there is none.

    Args:
        data: the data folder, with the postmaster.pid of its last server
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, (_, segment) = int(lines[0]), map(int, lines[_KEY_LINE - 1].split())
        made_by = _makers().get(segment)
    except (OSError, ValueError, IndexError):
        return
    if made_by == pid:  # ids are used again: only what that very process made is its own
        ctypes.CDLL(None).shmctl(segment, _REMOVE, None)


def _makers() -> dict[int, int]:
    """Return the id of each segment of this machine, and the process that made it."""
    rows = (line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:])
    return {int(row[1]): int(row[4]) for row in rows}
