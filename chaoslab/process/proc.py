"""What the kernel says of processes, read from /proc (man 5 proc). A process that has ended says nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

from chaoslab.runtime.identity import ProcessIdentity, identify, state_of

STOPPED = "T"
TRACED = "t"
_GONE = {"Z", "X", ""}


def read(pid: int, file: str) -> str:
    """Return a file of a process, or '' when it has ended or this user may not look."""
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:
        return ""


def stat_of(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    return read(pid, "stat").rpartition(")")[2].split()


def field(pid: int, name: str) -> str:
    """Return a field of /proc/PID/status, or ''."""
    lines = read(pid, "status").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name + ":")), "")


def name_of(pid: int) -> str:
    """Return the kernel's name of a process, 15 letters at most."""
    return read(pid, "comm").rstrip("\n")


def words_of(pid: int) -> list[str]:
    """Return the command line, word by word; a thread of the kernel has none."""
    return read(pid, "cmdline").rstrip("\0").split("\0") if read(pid, "cmdline") else []


def uid_of(pid: int) -> int:
    """Return the real user of a process, or -1."""
    return int((field(pid, "Uid") or "-1").split()[0])


def everybody() -> Iterator[ProcessIdentity]:
    """Yield every process that lives, by pid."""
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if state_of(pid) not in _GONE and (found := identify(pid)):
            yield found


def ancestors() -> set[int]:
    """Return the pids from which this process descends, up to the first one that it can see."""
    found: set[int] = set()
    pid = os.getppid()
    while pid > 0 and pid not in found:
        found.add(pid)
        fields = stat_of(pid)
        pid = int(fields[1]) if fields else 0
    return found


def children_of(pid: int) -> list[int]:
    """Return the pids of a process's children; exact as long as it stands still."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    lists = [Path(f"/proc/{pid}/task/{thread}/children") for thread in threads]
    if any(path.exists() for path in lists):
        return [int(word) for thread in threads for word in read(pid, f"task/{thread}/children").split()]
    # A kernel without CONFIG_PROC_CHILDREN: ask everybody for its parent.
    return [other.pid for other in everybody() if (fields := stat_of(other.pid)) and int(fields[1]) == pid]


def thread_states(pid: int) -> set[str]:
    """Return the states of all threads of a process; empty when it is gone."""
    try:
        threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return set()
    return {state for thread in threads if (state := state_of(thread))}


def started_at_s(identity: ProcessIdentity) -> float:
    """Return when a process started, in seconds of the wall clock."""
    boot_line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return int(boot_line.split()[1]) + identity.started / os.sysconf("SC_CLK_TCK")
