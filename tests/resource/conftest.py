"""What the resource lane shares: the conformance suite, a state folder of each test's own, and who is ours."""

import os
import sys
import uuid
from pathlib import Path

import pytest
from catalog_runs import usual_lab

from chaoslab.lab.faketime import clear_shared_memory

CONTRACT = Path(__file__).parents[1] / "contract"
sys.path[:0] = [str(CONTRACT), str(CONTRACT / "support"), str(Path(__file__).parent / "support")]
pytest.register_assert_rewrite("conformance")


@pytest.fixture(scope="module")
def lab(binaries, passable_root):
    """A lab on a disk of its own, with a service whose clock can be moved."""
    from filesystems import LoopDisk

    disk = LoopDisk(passable_root, size_mb=512)
    disk.folder.chmod(0o711)
    try:
        with usual_lab(disk.folder / "lab", faketime=True) as made:
            yield made
    finally:
        disk.unmount()


@pytest.fixture(scope="session", autouse=True)
def _disks_can_be_slowed():
    from throttled import in_throttled_cgroup

    with in_throttled_cgroup():
        yield


@pytest.fixture(autouse=True)
def _own_state(state):
    """Let no test see what another one holds."""


@pytest.fixture
def mark(monkeypatch):
    """A word in the environment of everything that this test starts."""
    word = uuid.uuid4().hex
    monkeypatch.setenv("CHAOSLAB_TEST_MARK", word)
    return word


@pytest.fixture
def own_tmpfs(tmp_path):
    """A small file system in memory, of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    from filesystems import Tmpfs

    made = Tmpfs(tmp_path / "small", "32m")
    yield made
    made.unmount()


@pytest.fixture(scope="session", autouse=True)
def no_shared_memory_left():
    """libfaketime keeps some for each process that it is loaded into, and one that is killed cannot give it back."""
    yield
    clear_shared_memory()
