"""What a folder's file system is, as the kernel's table of mounts has it (man 5 proc)."""

import os
from pathlib import Path
from typing import NamedTuple


class Mount(NamedTuple):
    """One line of the table, as far as it tells what is mounted."""

    kind: str
    """`ext4`, `tmpfs` ..."""
    source: str
    """A device, or a word of the file system's own."""


def mount_of(folder: Path) -> Mount:
    """Return what a folder lies on; of what the table does not show, two empty words."""
    number = folder.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == device:
            return Mount(*after.split()[:2])
    return Mount("", "")
