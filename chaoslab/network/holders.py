"""Who still holds a network namespace: paths through which it can be opened, the likeliest first."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def holders(first: str, inode: int) -> Iterator[str]:
    """Yield paths that may lead to the namespace: where it was found, our own, mounts, processes, open files.

    A path may have come to mean another namespace: whoever opens one looks at what it got.
    """
    yield first
    yield "/proc/self/ns/net"
    name = f"net:[{inode}]"
    yield from _mounts("self", name)
    pids = [entry for entry in os.listdir("/proc") if entry.isdigit()]
    for pid in pids:
        if _target(f"/proc/{pid}/ns/net") == name:
            yield f"/proc/{pid}/ns/net"
    for pid in pids:  # a mount that only a container's processes see, or a file that somebody keeps open
        yield from _mounts(pid, name)
        yield from _open_files(pid, name)


def _mounts(pid: str, name: str) -> Iterator[str]:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/mountinfo").read_text(errors="replace").splitlines():
            fields = line.split()
            if fields[3] == name:
                place = fields[4].encode().decode("unicode_escape")
                yield f"/proc/{pid}/root{place}"


def _open_files(pid: str, name: str) -> Iterator[str]:
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            if _target(f"/proc/{pid}/fd/{number}") == name:
                yield f"/proc/{pid}/fd/{number}"


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
