"""Small file systems of a test's own."""

import os
import subprocess

from chaoslab.core.errors import Refused
from chaoslab.resource.blockio import cgroup_of
from chaoslab.runtime.identity import myself


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr}"


class Tmpfs:
    """A file system in memory."""

    def __init__(self, folder, size, *options):
        self.folder = folder
        folder.mkdir()
        run("mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "chaoslab-test", folder)

    def unmount(self):
        """Unmount it, also while it is in use; harmless when it is not mounted."""
        if self.folder.is_mount():
            run("umount", "--lazy", self.folder)


class LoopDisk:
    """A real disk: an ext4 in a file, behind a loop device."""

    def __init__(self, folder, size_mb=64):
        self.folder = folder / "disk"
        self.image = folder / "disk.img"
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(size_mb << 20)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        run("mount", "-o", "loop", self.image, self.folder)

    def unmount(self):
        if self.folder.is_mount():
            run("umount", "--lazy", self.folder)


def why_no_throttle():
    """Return why no disk can be slowed down here, or nothing."""
    if os.geteuid() != 0:
        return "only root can mount"
    try:
        cgroup_of(myself())
    except Refused as refused:
        return refused.reason
    return ""
