"""What the kernel offers to slow a disk down for one cgroup: its versions, files and block devices."""

import os
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import Refused
from chaoslab.process.proc import read
from chaoslab.process.vital import describe
from chaoslab.resource.mounts import mount_of
from chaoslab.runtime.identity import ProcessIdentity

GUARD = "resource"
_BY_DEVICE = Path("/sys/dev/block")
_MAPPED = 0
"""The major number of file systems that are on no single block device, and of btrfs."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The cgroup that a process is in, of the hierarchy that can slow its disk down."""

    folder: Path
    version: int


def cgroup_of(process: ProcessIdentity) -> Cgroup:
    """Return where a process's disk can be slowed down.

    Raises:
        Refused: the kernel or this user's rights have nothing for it; says what is missing.
    """
    own = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in read(process.pid, "cgroup").splitlines()}
    missing = []
    for kind, option, version in (("cgroup", "blkio", 1), ("cgroup2", "", 2)):
        path = next((path for names, path in own.items() if option in names.split(",")), None)
        root = _mount_of(kind, option)
        if root is None or path is None:
            missing.append(f"no cgroup hierarchy of version {version} {'with blkio ' * bool(option)}is mounted")
            continue
        folder = root / path.strip("/")
        if why := _why_not(folder, version):
            missing.append(why)
        else:
            return Cgroup(folder, version)
    told = f"the disk of {describe(process)} cannot be slowed down here: {'; '.join(missing)}"
    raise Refused(GUARD, f"{told}; dm-delay would need its file system to be mounted on it from the start")


def _why_not(folder: Path, version: int) -> str:
    """Return '' when a cgroup can be limited, else what is missing."""
    if version == 1:
        if not (folder / "blkio.throttle.write_bps_device").exists():
            return "the kernel has no CONFIG_BLK_DEV_THROTTLING, or hides the cgroup"
        return "" if os.access(folder, os.W_OK) else f"needs root, or the right to make a cgroup in {folder}"
    if not (folder / "io.max").exists():
        return f"the io controller is not on for the cgroup {folder} (run it as a systemd unit with IOAccounting=yes)"
    return "" if os.access(folder / "io.max", os.W_OK) else f"needs root, or the right to write {folder / 'io.max'}"


def _mount_of(kind: str, option: str) -> Path | None:
    """Return where a hierarchy is mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        words = after.split()
        if words[0] == kind and (not option or option in words[2].split(",")):
            return Path(before.split()[4])
    return None


def device_of(folder: Path) -> str:
    """Return the whole disk below a folder as `major:minor`: the kernel limits no partitions.

    Raises:
        Refused: it is on no block device of this machine.
    """
    number = folder.stat().st_dev
    if os.major(number) == _MAPPED:
        source = mount_of(folder).source
        if not source.startswith("/dev/") or not Path(source).exists():
            raise Refused(
                GUARD, f"{folder} is on no block device ({source or 'unknown'}), so no disk can be slowed down"
            )
        number = os.stat(source).st_rdev
    device = _BY_DEVICE / f"{os.major(number)}:{os.minor(number)}"
    if not device.exists():
        raise Refused(
            GUARD, f"{folder} is on a block device that the kernel does not list, so it cannot be slowed down"
        )
    whole = device.resolve().parent if (device / "partition").exists() else device
    return (whole / "dev").read_text().strip()
