"""Tests marked `guest` run in User-Mode Linux, in one boot beside all others: it has netem, and cgroup 2 alone."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "netem" / "support"))

from inside import INSIDE, Inside

HERE = Path(__file__).parents[1]
MEMORY = "1500M"
_booting = []


def is_guest():
    """Say whether this is inside."""
    return bool(os.environ.get(INSIDE))


def goes_inside(item):
    return HERE in item.path.parents and item.get_closest_marker("guest") and not is_guest()


def pytest_collection_modifyitems(items):
    """Boot at once and ask last, so that it runs beside the others."""
    wanted = [item for item in items if goes_inside(item)]
    if not wanted or os.geteuid() != 0:
        return
    if not shutil.which("linux.uml"):
        for item in wanted:
            item.add_marker(pytest.mark.skip(reason="there is no linux.uml"))
        return
    items[:] = [item for item in items if item not in wanted] + wanted


def pytest_collection_finish(session):
    wanted = [item for item in session.items if goes_inside(item)]
    if wanted and os.geteuid() == 0 and shutil.which("linux.uml") and not session.config.option.collectonly:
        os.environ["UML_MEMORY"] = MEMORY
        _booting.append(Inside(wanted))


def pytest_sessionfinish():
    for machine in _booting:
        machine.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if not (_booting and goes_inside(item)):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _booting[0].reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    item.session._setupstate.teardown_exact(nextitem)  # what the test before this one has set up for its neighbours
    return True


def prepare():
    """Mount what a daemon needs inside, where nothing but the files of the host is there yet."""
    groups, room = Path("/sys/fs/cgroup"), Path("/mnt")
    if not (groups / "cgroup.controllers").exists():
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", groups], check=True)
    if not room.is_mount():
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", room], check=True)
    return str(room)


def empty_image(client):
    """Make an image of nothing but links to what containers have bound in from the host; return its name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("usr", "etc", "tmp", "out"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name in ("bin", "sbin", "lib", "lib64"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
    client.api.import_image_from_data(packed.getvalue(), repository="chaoslab/empty", tag="1")
    return "chaoslab/empty:1"


def bound_in():
    """Return the volumes that make such an image run: the host's own programs, read-only."""
    return {"/usr": {"bind": "/usr", "mode": "ro"}} if is_guest() else {}
