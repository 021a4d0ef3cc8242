"""Control groups of either version: a small part of the machine, for some processes only."""

import contextlib
import os
from pathlib import Path

from chaoslab.resource.available import memory

LEAST_SHARE = (("/sys/fs/cgroup/cpu", "cpu.shares", "2"), ("/sys/fs/cgroup", "cpu.weight", "1"))
ONE_GIB = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "1G"), ("/sys/fs/cgroup", "memory.max", "1G"))
_JOIN = 'echo $$ >"$0"; exec "$@"'


class Group:
    """A control group, or the whole machine where nobody may make one."""

    def __init__(self, folder):
        self._procs = folder and folder / "cgroup.procs"

    def __bool__(self):
        return bool(self._procs)

    def join(self, pid):
        """Have a process live in it."""
        if self:
            self._procs.write_text(str(pid))

    def prefix(self):
        """Return the words that start a command in it."""
        return ["sh", "-c", _JOIN, str(self._procs)] if self else []

    def free_mib(self):
        """Return how much memory there is for those who will live in it."""
        return 1024 if self else memory().available >> 20

    def is_empty(self):
        return not self._procs.read_text()


@contextlib.contextmanager
def control_group(settings, until):
    """Lend one with the first of these settings that can be made, and wait with `until` for its last process to end."""
    folder = _made(settings)
    group = Group(folder)
    yield group
    if group:
        until(group.is_empty)
        folder.rmdir()


def _made(settings):
    for root, file, value in settings:
        folder = Path(root, f"chaoslab-twin-{os.getpid()}")
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / file).write_text(value)
        except OSError:
            folder.rmdir()
        else:
            return folder
    return None
