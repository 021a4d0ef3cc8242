"""Read files that a person names: whatever they are, it takes no more memory than they may have, and it ends."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path

PATIENCE_S = 30.0
"""How long whoever writes into a pipe may keep silent: a password manager asks a person first."""


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Read a file, or what a program writes into a pipe, up to one byte more than it may have.

    Args:
        path: a file, a pipe (as of `<(command)`) or a device
        most_bytes: who gets more knows that it is too large

    Raises:
        OSError: it cannot be read, or nobody writes into the pipe.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        found, left = [], most_bytes + 1
        while left > 0 and (part := _next(file, path, min(left, 1 << 20))):
            found.append(part)
            left -= len(part)
        return b"".join(found)
    finally:
        os.close(file)


def _next(file: int, path: Path, most_bytes: int) -> bytes:
    """Return what comes next, b'' at the end; a pipe that no writer has opened yet is waited for."""
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    while waiting.poll(PATIENCE_S * 1000):
        try:
            return os.read(file, most_bytes)
        except BlockingIOError:
            continue  # somebody else has read it
    raise OSError(errno.ETIMEDOUT, f"it is a pipe, and nobody has written into it for {PATIENCE_S:g} s", str(path))
