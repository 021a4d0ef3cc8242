"""How many databases are dealt with at the same time: as many as cores, memory and free disk bear."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.units import format_size
from chaoslab.postgres.fleet.members import Member

_MEMORY_EACH = 384 << 20
"""A database that is restored or verified: two connections that sort for an index, and their client."""
_MEMORY_BASE = 512 << 20
_DISK_BASE = 128 << 20
"""An empty scratch server, its log and its first WAL."""
_DUMP_SHARE = 0.6
"""An uncompressed dump holds no indexes and no dead rows; that much of the database it may take."""
_WAL_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Capacity:
    """What this machine bears."""

    workers: int
    """Databases at the same time."""
    bound_by: str
    """What set the number: cores, memory, disk, databases, or the `workers` that was asked for."""
    needed_bytes: int
    """Room on the scratch disk."""
    free_bytes: int

    @property
    def too_small(self) -> str:
        """Why the scratch disk does not do; '' when it does."""
        if self.free_bytes >= self.needed_bytes:
            return ""
        room = f"{format_size(self.free_bytes)} free, and the fleet needs about {format_size(self.needed_bytes)}"
        return f"the scratch disk has {room}; choose another with scratch_dir, or fewer databases"


def capacity(
    members: Sequence[Member], scratch: Path, *, servers: int, wished: int, dumps: bool, staged: bool
) -> Capacity:
    """Work out how many databases can be dealt with at the same time.

    Args:
        members: the fleet
        scratch: a folder on the scratch disk
        servers: scratch servers, one for each source
        wished: what somebody asked for; 0 leaves it to the machine
        dumps: new dumps are made, and need room too
        staged: all dumps are made before the first is restored
    """
    bounds = {"cores": max(2, len(os.sched_getaffinity(0))), "databases": max(1, len(members))}
    bounds["memory"] = max(1, (available_memory() - servers * _MEMORY_BASE) // _MEMORY_EACH)
    if wished:
        bounds = {"workers": wished, "databases": bounds["databases"]}
    bound_by, workers = min(bounds.items(), key=lambda pair: pair[1])
    free = shutil.disk_usage(scratch).free
    needed = room_for(members, servers=servers, dumps_at_once=_at_once(members, workers, dumps=dumps, staged=staged))
    while dumps and not staged and needed > free and workers > 1:
        workers, bound_by = workers - 1, "disk"
        needed = room_for(members, servers=servers, dumps_at_once=workers)
    return Capacity(workers, bound_by, needed, free)


def room_for(members: Sequence[Member], *, servers: int, dumps_at_once: int) -> int:
    """Return the bytes that the scratch disk must have free."""
    sizes = sorted((member.bytes for member in members), reverse=True)
    restored = sum(sizes) * (1 + _WAL_SHARE)
    return round(restored + sum(sizes[:dumps_at_once]) * _DUMP_SHARE) + servers * _DISK_BASE


def available_memory() -> int:
    """Return the bytes that programs can still have, those of our control group if it has a bound."""
    found = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            found = [int(line.split()[1]) * 1024]
    limit, used = (_text(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        found.append(int(limit) - int(used))
    return max(0, min(found))


def _at_once(members: Sequence[Member], workers: int, *, dumps: bool, staged: bool) -> int:
    if not dumps:
        return 0
    return len(members) if staged else workers


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
