"""A control group whose disks can be slowed down, for all that the tests start."""

import contextlib
import os
from pathlib import Path

from filesystems import why_no_throttle

ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def in_throttled_cgroup():
    """Be in such a cgroup meanwhile. With version 1 this process is in one; with version 2 it need not be."""
    if os.geteuid() != 0 or not why_no_throttle():
        yield
        return
    before = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    ours = ROOT / f"chaoslab-test-{os.getpid()}"
    control = ROOT / "cgroup.subtree_control"
    had_io = "io" in control.read_text().split()
    control.write_text("+io")
    ours.mkdir()
    try:
        (ours / "cgroup.procs").write_text(str(os.getpid()))
        assert not why_no_throttle()
        yield
    finally:
        (ROOT / before.strip("/") / "cgroup.procs").write_text(str(os.getpid()))
        with contextlib.suppress(OSError):  # what a test left behind is in it; to tell of it is another test's
            ours.rmdir()
            if not had_io:
                control.write_text("-io")
