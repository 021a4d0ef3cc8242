"""Scratch servers for a fleet: one for each source server, since databases and roles of two may bear the same name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.fleet.capacity import available_memory
from chaoslab.postgres.fleet.members import Member
from chaoslab.postgres.logical.restore import Restoring, make_first_role, restore_globals
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.scratch import PROFILES, SUPERUSER, Scratch

_DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the databases of one source server are restored."""

    label: str
    scratch: Scratch
    cluster: Cluster
    binaries: Binaries


def provision(
    root: Path, majors: Mapping[str, int], *, profile: str, workers: int, jobs: int, bin_dir: str
) -> dict[str, Place]:
    """Make and start a server for each source.

    Args:
        root: the scratch folder
        majors: label of each source -> its major version
        profile: `verify` is fast, `rta` as durable as production
        workers: databases that are restored at the same time
        jobs: connections for each
        bin_dir: folder of PostgreSQL's programs; '' looks for them

    Raises:
        BadUsage: there is no such profile.
        PostgresFailed: a server does not come up.
    """
    if profile not in PROFILES:
        raise BadUsage(f"there is no profile {profile!r}; choose one of {', '.join(PROFILES)}")
    settings = {**PROFILES[profile], **_sized(workers, jobs, servers=len(majors), profile=profile)}

    def one(numbered: tuple[int, tuple[str, int]]) -> Place:
        number, (label, major) = numbered
        binaries = find_binaries(major, bin_dir)
        place = Scratch(root / f"place-{number}")
        for folder in (place.folder, place.tablespaces):
            folder.mkdir(mode=0o711, exist_ok=True)
            folder.chmod(0o711)  # whatever the umask: the server's user has to pass
        place.fetched.mkdir(mode=0o700, exist_ok=True)
        cluster = Cluster.create(root / f"server-{number}", binaries, superuser=SUPERUSER, settings=settings)
        cluster.start(_DEADLINE_S)
        return Place(label, place, cluster, binaries)

    with ThreadPoolExecutor(max(1, min(4, len(majors))), thread_name_prefix="provision") as pool:
        return {place.label: place for place in pool.map(one, enumerate(majors.items()))}


def restore_roles(place: Place, members: Iterable[Member], how: Restoring) -> list[Difference]:
    """Restore the roles of a server, each distinct file of them once; where there is none, it has its first role."""
    found: list[Difference] = []
    seen: set[str] = set()
    for path in dict.fromkeys(Path(member.globals) for member in members if member.globals):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest not in seen:
            seen.add(digest)
            found += restore_globals(path, how)
    if not seen:
        make_first_role(place.cluster)
    return found


def release(places: Iterable[Place]) -> None:
    """Stop the servers at once, so that whoever waits for an answer of theirs waits no longer."""
    for place in places:
        with suppress(ChaoslabError):
            place.cluster.stop("immediate", 5.0)


def _sized(workers: int, jobs: int, *, servers: int, profile: str) -> dict[str, str | int]:
    """Return the settings that depend on how much happens at the same time."""
    connections = workers * (2 * jobs + 4) + 20
    settings: dict[str, str | int] = {"max_connections": connections, "max_worker_processes": max(8, 2 * jobs)}
    if profile == "verify":
        # A quarter of what is free, for all the index builds that may run together.
        each = available_memory() // 4 // max(1, servers * workers * max(2, jobs)) >> 20
        cores = len(os.sched_getaffinity(0))
        settings["maintenance_work_mem"] = f"{min(512, max(32, each))}MB"
        settings["max_parallel_maintenance_workers"] = 0 if workers >= cores else 2  # the cores are busy already
        settings["wal_buffers"] = "16MB"
    return settings
