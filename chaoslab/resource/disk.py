"""A disk is full: one file of ours takes what is free of it, down to a floor."""

import os
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.core.units import format_size
from chaoslab.resource.available import memory
from chaoslab.resource.filling import GUARD, PREFIX, Disk, asked_of, is_as_full, told_of, wanted_bytes
from chaoslab.resource.mounts import mount_of
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold
from chaoslab.runtime.places import state_folder
from chaoslab.runtime.session import current, has_session

NAME = "resource.disk.fill"
_OUR_ROOM = 64 << 20
"""What must stay free where the ledger and the run's log are written."""
_MEMORY_FLOOR = 512 << 20
"""What must stay of the memory when it is memory that is filled."""
_STEP = 256 << 20
_BLOCK = 512
"""What `st_blocks` counts."""
_IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}


def disk_of(folder: Path) -> Disk:
    """Return how full the file system of a folder is."""
    told = os.statvfs(folder)
    return Disk((told.f_blocks - told.f_bfree) * told.f_frsize, told.f_bavail * told.f_frsize)


def _fill(data: Data) -> dict[str, Any]:
    wanted, file = _wanted_bytes(data), Path(data["file"])
    place = Hold(data["hold"])
    place.write(bytes=wanted)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as filler:
        length = 0
        while length < wanted and (room := disk_of(file.parent).free - data["floor"]) > 0:
            step = min(_STEP, wanted - length, room)
            os.posix_fallocate(filler.fileno(), length, step)
            length += step
    return {"file": str(file), "bytes": length}


def _is_full(data: Data) -> bool:
    """Ask the file system whether it is as full as was asked for."""
    file = Path(data["file"])
    if "bytes" not in (Hold(data["hold"]).read() or {}) or not file.exists():
        return False
    return is_as_full(disk_of(file.parent), data, taken=file.stat().st_blocks * _BLOCK)


def _make_room(data: Data) -> None:
    file, place = Path(data["file"]), Hold(data["hold"])
    if place.read() is None:
        return  # never injected, or undone
    try:
        file.unlink()
    except (FileNotFoundError, NotADirectoryError):
        if not _is_mounted(data):
            told = f"{file.parent} is not mounted, and {file.name} lies on it; mount it, then `chaoslab undo`"
            raise ChaoslabError(told) from None
    place.remove()


def _is_mounted(data: Data) -> bool:
    """Say whether the file system is the one that was filled; one that was memory is no more when it is unmounted."""
    folder = Path(data["file"]).parent
    present = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return data["kind"] in _IN_MEMORY or os.statvfs(present).f_fsid == data["fsid"]


FILL = Fault(inject=_fill, effective=_is_full, undo=_make_room, effective_within_s=10.0)


@FILL.action
def fill(folder: str, share: str = "", *, size: str = "", floor: str = "256MiB", ttl: str = "60s") -> Pinned:
    """Fill the file system of a folder with one file, until a share of it is used or by a given size.

    The file is allocated, not written: it takes a moment and wears no disk. Its name begins with `.chaoslab-filler-`.

    Args:
        folder: where the file is made; it is filled for everybody who writes to the same file system
        share: how much of the file system shall be used, such as 95%; `100%` with `floor: 0B` is full
        size: how much to take, such as 1GiB, instead of the share
        floor: how much must stay free; at least 64MiB where the run itself writes
        ttl: how long it may last without the runner's word

    Blast radius: whoever writes to this file system.
    Undo: the file is removed.
    Effective when: the file system says that no more than that is free, or that the size is taken.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such folder, or it cannot be written; it is as full already, or the floor cannot be kept; it is
            memory, and too little of that would be left; this very file is there already.
    """
    place = Path(folder)
    data = asked_of(share, size, floor)
    refuse_unwritable(place)
    place = place.resolve()
    target = f"file system of {place}, {told_of(data)}, {format_size(int(data['floor']))} left free"
    hold, ttl_s = Hold.pinned(NAME, target, {}), time_to_live(ttl)
    data |= {"kind": mount_of(place).kind, "fsid": os.statvfs(place).f_fsid}
    whole = {"hold": str(hold.path), "file": str(place / f"{PREFIX}{hold.token}"), **data}
    _wanted_bytes(whole)
    return Pinned(target=target, data=whole, ttl_s=ttl_s)


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder in which nobody, or not this user, can make a file; asking touches nothing.

    Raises:
        BadUsage: it is not absolute: the undo runs elsewhere.
        Refused: there is no such folder, or it cannot be written.
    """
    if not folder.is_absolute():
        raise BadUsage(f"folder: {str(folder) or 'nothing'} is no absolute path")
    if not folder.is_dir():
        raise Refused(GUARD, f"there is no folder {folder}")
    told = os.statvfs(folder)
    if told.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
        raise Refused(GUARD, f"{folder} cannot be written by this user")
    if told.f_blocks == 0:
        raise Refused(GUARD, f"{folder} is on a file system without a size, so it cannot be filled")


def _wanted_bytes(data: Data) -> int:
    """Return how much to take now.

    Raises:
        Refused: it is as full already, or too little would be left: of the disk, of what the run writes to, of memory.
    """
    folder = Path(data["file"]).parent
    if int(data["floor"]) < _OUR_ROOM and (ours := _written_by_us(folder)):
        raise Refused(GUARD, f"{ours} is on the same file system: leave a floor of at least {format_size(_OUR_ROOM)}")
    wanted = wanted_bytes(disk_of(folder), data, str(folder))
    if mount_of(folder).kind in _IN_MEMORY and memory().available - wanted < _MEMORY_FLOOR:
        left = format_size(_MEMORY_FLOOR)
        told = f"{folder} is memory: {format_size(wanted)} of it would not leave {left} of that available"
        raise Refused(GUARD, told)
    return wanted


def _written_by_us(folder: Path) -> str:
    """Return the folder of ours that is on the same file system, or ''."""
    ours = [current().state, current().folder] if has_session() else [state_folder()]
    for place in ours:
        present = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
        if present.stat().st_dev == folder.stat().st_dev:
            return str(place)
    return ""
