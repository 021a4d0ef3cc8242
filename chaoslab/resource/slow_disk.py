"""A disk is slow for one process: the kernel lets its cgroup read and write only so many bytes a second.

With cgroups of version 1 the process is moved into a cgroup of ours below its own, and back by the undo. With version 2
its own cgroup is limited, because the kernel allows no new one below a cgroup that has processes.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.core.units import format_size
from chaoslab.process.selection import Selector, pin_all
from chaoslab.process.target import data_of, describe, identity_of
from chaoslab.process.tree import descendants_of
from chaoslab.resource.blockio import GUARD, Cgroup, cgroup_of, device_of
from chaoslab.runtime.arguments import size_bytes, time_to_live, yes
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold

NAME = "resource.slow_disk.throttle"
_LEAST = 4096
"""Fewer bytes a second, and a single page would take longer than anybody waits."""
_EMPTY_WITHIN_S = 5.0
_POLL_S = 0.02
_KEYS = {"read": "rbps", "write": "wbps"}


def _slow(data: Data) -> dict[str, Any]:
    process, cgroup = identity_of(data), _cgroup(data)
    if not process.is_alive():
        raise Refused(GUARD, f"process {process.pid} ended before its disk could be slowed down")
    Hold(data["hold"]).write(counted=_counted(cgroup.folder, data))
    if cgroup.version == 1:
        ours = Path(data["ours"])
        ours.mkdir()
        for way, rate in data["rates"].items():
            (ours / f"blkio.throttle.{way}_bps_device").write_text(f"{data['device']} {rate}")
        for pid in _to_move(data, cgroup.folder):
            with suppress(ProcessLookupError):  # a descendant that has just ended
                (ours / "cgroup.procs").write_text(pid)
    else:
        limits = " ".join(f"{_KEYS[way]}={rate}" for way, rate in data["rates"].items())
        (cgroup.folder / "io.max").write_text(f"{data['device']} {limits}")
    return dict(data["rates"])


def _to_move(data: Data, cgroup: Path) -> list[str]:
    """Return the pids to limit: of the process, and of those who descend from it and are in the same cgroup."""
    process = identity_of(data)
    below = {str(one.pid) for one in descendants_of([process])} if data["tree"] else set()
    return [str(process.pid), *sorted(below & set(_members(cgroup)))]


def _is_slowed(data: Data) -> bool:
    """Say whether the process is limited and the kernel has counted bytes of it that went through the limit."""
    known, cgroup = Hold(data["hold"]).read(), _cgroup(data)
    folder = Path(data["ours"]) if cgroup.version == 1 else cgroup.folder
    if known is None or not identity_of(data).is_alive() or str(data["pid"]) not in _members(folder):
        return False
    before = known["counted"] if cgroup.version != 1 else 0
    return _counted(folder, data) > before


def _quicken(data: Data) -> None:
    place, cgroup = Hold(data["hold"]), _cgroup(data)
    if place.read() is None:
        return  # never injected, or undone
    if cgroup.version == 1:
        _leave(Path(data["ours"]), cgroup.folder)
    elif _limits_of(cgroup.folder, data["device"]) == {**data["before"], **_ours(data)}:
        before = " ".join(f"{key}={value}" for key, value in data["before"].items())
        with suppress(FileNotFoundError):  # the cgroup went with its last process
            (cgroup.folder / "io.max").write_text(f"{data['device']} {before}")
    place.remove()


THROTTLE = Fault(inject=_slow, effective=_is_slowed, undo=_quicken, effective_within_s=15.0)


@THROTTLE.action
def throttle(
    folder: str,
    pid_file: str = "",
    pid: int = 0,
    *,
    read: str = "",
    write: str = "",
    unit: str = "",
    name: str = "",
    user: str = "",
    command: str = "",
    port: str = "",
    cgroup: str = "",
    tree: str = "no",
    database: str = "no",
    ttl: str = "60s",
) -> Pinned:
    """Let one process read from, or write to, the disk below a folder only so many bytes a second.

    What the kernel writes back later by itself (without `fsync`) is slowed down with cgroups of version 2 only.

    Args:
        folder: any folder on the disk
        pid_file, pid, unit, name, user, command, port, cgroup: the process, as for `process.pause`
        read: bytes a second, such as 1MiB; at least 4KiB
        write: the same for writing; one of the two must be given
        tree, database: yes, to take all that descend from it too; yes, if a database server is really meant
        ttl: how long it may last without the runner's word

    Blast radius: this process and whoever it starts meanwhile; with cgroups of version 2, its whole cgroup; whoever
        waits for the same file system's journal may be slowed down too.
    Undo: the process goes back to its cgroup, or the cgroup's limit is put back as it was.
    Effective when: the kernel has counted bytes of the process that went through the limit.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: as for `process.pause`; the folder is on no disk; the kernel has nothing to slow it down, and what.
    """
    rates = _rates(read=read, write=write)
    _refuse_no_folder(folder)
    selector = Selector(pid_file, pid, unit, name, user, command, port, cgroup)
    [process] = pin_all(selector, database=yes("database", database))
    known = {**data_of(process), "tree": yes("tree", tree)}
    return _pinned(known, cgroup_of(process), device_of(Path(folder)), rates, time_to_live(ttl))


def _refuse_no_folder(folder: str) -> None:
    if not Path(folder).is_absolute():
        raise BadUsage(f"folder: {folder or 'nothing'} is no absolute path")
    if not Path(folder).is_dir():
        raise Refused(GUARD, f"there is no folder {folder}")


def _rates(**given: str) -> dict[str, int]:
    rates = {way: size_bytes(way, rate) for way, rate in given.items() if rate}
    if not rates or min(rates.values()) < _LEAST:
        raise BadUsage(f"give read or write, each at least {format_size(_LEAST)} a second")
    return rates


def _pinned(process: dict[str, Any], cgroup: Cgroup, device: str, rates: dict[str, int], ttl_s: float) -> Pinned:
    told = ", ".join(f"{way} {format_size(rate)}/s" for way, rate in rates.items())
    target = f"disk {device} for {describe(identity_of(process))}: {told}"
    hold = Hold.pinned(NAME, target, {})
    data = {
        **process,
        "hold": str(hold.path),
        "cgroup": str(cgroup.folder),
        "version": cgroup.version,
        "ours": str(cgroup.folder / f"chaoslab-{hold.token}"),
        "device": device,
        "rates": rates,
        "before": _limits_of(cgroup.folder, device) if cgroup.version != 1 else {},
    }
    claim = f"io.max {cgroup.folder} {device}" if cgroup.version != 1 else data["ours"]
    return Pinned(target=target, data=data, ttl_s=ttl_s, claims=(claim,))


def _cgroup(data: Data) -> Cgroup:
    return Cgroup(Path(data["cgroup"]), int(data["version"]))


def _ours(data: Data) -> dict[str, str]:
    return {_KEYS[way]: str(rate) for way, rate in data["rates"].items()}


def _leave(ours: Path, back: Path) -> None:
    """Move everybody back and remove our cgroup; whoever forks meanwhile is moved at the next look.

    Raises:
        ChaoslabError: somebody cannot be moved.
    """
    until_s = CLOCK.mono() + _EMPTY_WITHIN_S
    while ours.exists():
        for pid in _members(ours):
            with suppress(ProcessLookupError):
                (back / "cgroup.procs").write_text(pid)
        with suppress(OSError):
            ours.rmdir()
            return
        if CLOCK.mono() > until_s:
            raise ChaoslabError(f"the cgroup {ours} cannot be emptied and removed")
        CLOCK.sleep(_POLL_S)


def _members(cgroup: Path) -> list[str]:
    try:
        return (cgroup / "cgroup.procs").read_text().split()
    except OSError:
        return []


def _limits_of(cgroup: Path, device: str) -> dict[str, str]:
    """Return a cgroup's limits for a disk; the kernel lists none that has no limit."""
    try:
        text = (cgroup / "io.max").read_text()
    except OSError:
        text = ""
    line = next((line for line in text.splitlines() if line.startswith(f"{device} ")), "")
    return dict.fromkeys(("rbps", "wbps", "riops", "wiops"), "max") | dict(re.findall(r"(\w+)=(\w+)", line))


def _counted(cgroup: Path, data: Data) -> int:
    """Return how many bytes the kernel has counted for a cgroup on the disk."""
    for file, pattern in (
        ("blkio.throttle.io_service_bytes", r" (Read|Write) (\d+)"),
        ("io.stat", r"(rbytes|wbytes)=(\d+)"),
    ):
        try:
            lines = (cgroup / file).read_text().splitlines()
        except OSError:
            continue
        mine = [line for line in lines if line.startswith(f"{data['device']} ")]
        return sum(int(number) for line in mine for _, number in re.findall(pattern, line))
    return 0
