"""How much of a disk is taken, and when it is full: one rule for a folder here and for one in a container."""

from typing import Any, NamedTuple

from chaoslab.core.errors import Refused
from chaoslab.core.units import format_share, format_size
from chaoslab.runtime.arguments import share_or_size, size_bytes
from chaoslab.runtime.fault import Data

GUARD = "disk"
PREFIX = ".chaoslab-filler-"
"""How the names of our files begin, for whoever finds one."""
_SLACK = 0.01
"""Others write and delete meanwhile."""


class Disk(NamedTuple):
    """A file system, in bytes, as somebody sees it who is not root."""

    used: int
    free: int

    @property
    def total(self) -> int:
        """All that can be used."""
        return self.used + self.free


def asked_of(share: str, size: str, floor: str) -> dict[str, Any]:
    """Return what is asked for, as JSON: a share that shall be used, or bytes to take, and bytes that must stay free.

    Raises:
        BadUsage: it makes no sense.
    """
    part, wanted = share_or_size(share, size)
    return {"share": part, "size": wanted, "floor": size_bytes("floor", floor)}


def told_of(asked: Data) -> str:
    """Say for people how far a disk is filled."""
    return f"to {format_share(asked['share'])}" if asked["share"] else f"by {format_size(int(asked['size']))}"


def wanted_bytes(disk: Disk, asked: Data, place: str) -> int:
    """Return how much to take now.

    Raises:
        Refused: it is as full already, or the floor cannot be kept; names the place.
    """
    floor = int(asked["floor"])
    wanted = int(asked["size"]) or int(asked["share"] * disk.total) - disk.used
    if asked["share"]:
        wanted = min(wanted, disk.free - floor)
    if wanted <= 0:
        used = format_share(round(disk.used / disk.total, 3)) if disk.total else "100%"
        told = f"{used} of the file system of {place} is used, and {format_size(disk.free)} are free"
        raise Refused(GUARD, f"{told}: that is as full as was asked for, or leaves no more than the floor")
    if disk.free - wanted < floor:
        told = f"{format_size(wanted)} of {format_size(disk.free)} free would not leave the floor of"
        raise Refused(GUARD, f"{place}: {told} {format_size(floor)}")
    return wanted


def is_as_full(disk: Disk, asked: Data, *, taken: int) -> bool:
    """Say whether a disk is as full as was asked for; `taken` is what our file really takes of it, in bytes."""
    floor, slack = int(asked["floor"]), _SLACK * disk.total
    if asked["share"]:
        return bool(disk.free <= max(floor, (1 - asked["share"]) * disk.total) + slack)
    return taken >= int(asked["size"]) or disk.free <= floor + slack
