"""A process has used up its file descriptors: its own limit is lowered to what it has open."""

import os
import resource
from collections.abc import Iterator
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.process.selection import Selector, pin_all
from chaoslab.process.target import data_of, describe, identities_of
from chaoslab.process.tree import descendants_of
from chaoslab.runtime.arguments import count, time_to_live, yes
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold
from chaoslab.runtime.identity import ProcessIdentity

NAME = "resource.files.exhaust"
GUARD = "resource"
_SPARE_MAX = 1 << 20


def _lower(data: Data) -> dict[str, Any]:
    processes = identities_of(data)
    lowered = {str(one.pid): first_free(one.pid) + int(data["spare"]) for one in processes}
    place = Hold(data["hold"])
    place.write(lowered=lowered)
    for process, (soft, hard) in zip(processes, data["limits"], strict=True):
        if lowered[str(process.pid)] >= soft:
            raise Refused(GUARD, f"{describe(process)} has {soft} at most, and would keep as many")
        if not process.is_alive() or _limit(process) != (soft, hard):
            raise Refused(GUARD, f"{describe(process)} ended, or changed its limit, before it could be lowered")
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (lowered[str(process.pid)], hard))
    return {"limits": lowered}


def _has_none(data: Data) -> bool:
    """Say whether the kernel would refuse the next descriptor to each: the first free number is beyond its limit."""
    spare = int(data["spare"])
    return all(one.is_alive() and first_free(one.pid) + spare >= _limit(one)[0] for one in identities_of(data))


def _put_back(data: Data) -> None:
    place = Hold(data["hold"])
    lowered: dict[str, int] = (place.read() or {}).get("lowered", {})
    for process, limits in zip(identities_of(data), data["limits"], strict=True):
        # Whoever was started by it meanwhile has inherited the lowered limit.
        ours = (lowered.get(str(process.pid)), limits[1])
        for one in (process, *descendants_of([process])) if process.is_alive() else ():
            if one.is_alive() and _limit(one) == ours:
                resource.prlimit(one.pid, resource.RLIMIT_NOFILE, tuple(limits))
    place.remove()


EXHAUST = Fault(inject=_lower, effective=_has_none, undo=_put_back)


@EXHAUST.action
def exhaust(
    pid_file: str = "",
    pid: int = 0,
    *,
    unit: str = "",
    name: str = "",
    user: str = "",
    command: str = "",
    port: str = "",
    cgroup: str = "",
    which: str = "",
    spare: int = 0,
    database: str = "no",
    ttl: str = "60s",
) -> Pinned:
    """Leave a process no file descriptor to open: neither a file, nor a connection, nor a log.

    Its soft limit (RLIMIT_NOFILE) is lowered to what it has open. What is open stays so; what it closes it may open
    again. The whole machine's descriptors are never used up: everybody would stand still, also whoever would undo.

    Args:
        pid_file: a file that holds `pid`, or `pid start-time` (clock ticks since boot)
        pid: the pid, instead of the file
        unit, name, user, command, port, cgroup, which: by what else it is found, as for `process.pause`
        spare: how many more it may open
        database: yes, if a database server is really meant
        ttl: how long it may last without the runner's word

    Blast radius: this process, whoever it starts meanwhile, and whoever is served by them.
    Undo: the limit that it had is put back, exactly; a limit that somebody else has set meanwhile is left.
    Effective when: the first number that is free to it is beyond its limit, as the kernel lists both.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: as for `process.pause`; this user may not change its limits; this very fault is on already.
    """
    more = count("spare", spare, at_least=0, at_most=_SPARE_MAX)
    selector, ttl_s = Selector(pid_file, pid, unit, name, user, command, port, cgroup, which), time_to_live(ttl)
    return _pinned(pin_all(selector, database=yes("database", database)), spare=more, ttl_s=ttl_s)


def _pinned(found: list[ProcessIdentity], *, spare: int, ttl_s: float) -> Pinned:
    target = ", ".join(describe(process) for process in found)
    data = {
        "hold": str(Hold.pinned(NAME, target, {}).path),
        "processes": [data_of(process) for process in found],
        "limits": [list(_limit(process)) for process in found],
        "spare": spare,
    }
    claims = tuple(f"files of process {process.told()}" for process in found)
    return Pinned(target=target, data=data, ttl_s=ttl_s, claims=claims)


def first_free(pid: int) -> int:
    """Return the number that the next descriptor of a process would have."""
    taken = set(_open_numbers(pid))
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _open_numbers(pid: int) -> Iterator[int]:
    try:
        yield from (int(number) for number in os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return


def _limit(process: ProcessIdentity) -> tuple[int, int]:
    """Return soft and hard limit of a process; (0, 0) when it is gone.

    Raises:
        Refused: this user may not.
    """
    try:
        return resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    except ProcessLookupError:
        return 0, 0
    except PermissionError as error:
        told = f"needs CAP_SYS_RESOURCE, or to run as its user: the limits of {describe(process)} are closed to us"
        raise Refused(GUARD, told) from error
