"""How much memory there is for this process, the machine's or that of its cgroups, and how the kernel bears it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_CGROUPS = Path("/sys/fs/cgroup")
_PRESSURE = Path("/proc/pressure/memory")


class Memory(NamedTuple):
    """Memory in bytes."""

    total: int
    available: int
    """What can be had without swapping, as the kernel estimates it."""

    @property
    def used_share(self) -> float:
        """The share that is in use, from 0 to 1."""
        return 1 - self.available / self.total


def memory() -> Memory:
    """Return the machine's memory, or the cgroup's that has less of it to give."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    machine = Memory(*(int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable")))
    limits = [limit for limit in _of_cgroups() if limit.total < machine.total]
    return min([machine, *limits], key=lambda limit: limit.available)


def stalled_s() -> float | None:
    """Return for how many seconds since the boot some process has had to wait for memory; None where nobody counts."""
    try:
        line = _PRESSURE.read_text().splitlines()[0]
    except OSError:
        return None  # a kernel without PSI, or one that was told not to count
    return int(line.rpartition("total=")[2]) / 1e6


def _of_cgroups() -> Iterator[Memory]:
    """Yield the limit of every cgroup that we are in, from our own up to the root."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "memory" in controllers.split(","):
            root = _CGROUPS if controllers == "" else _CGROUPS / "memory"
            folder = root / path.strip("/")
            for place in (folder, *folder.parents):
                if place.is_relative_to(root) and (limit := _limit_of(place)):
                    yield limit


def _limit_of(cgroup: Path) -> Memory | None:
    """Return a cgroup's limit, of either version; what files it can give back counts as available."""
    for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        try:
            total = int((cgroup / limit).read_text())
            used = int((cgroup / usage).read_text())
            stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue  # of the other version, without a limit (`max`), or not visible from here
        back = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
        return Memory(total, max(0, total - used + back))
    return None
