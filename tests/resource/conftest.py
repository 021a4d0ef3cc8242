"""What the resource lane shares: the conformance suite, a state folder of each test's own, and who is ours."""

import os
import sys
import uuid
from pathlib import Path

import pytest

CONTRACT = Path(__file__).parents[1] / "contract"
sys.path[:0] = [str(CONTRACT), str(CONTRACT / "support"), str(Path(__file__).parent / "support")]
pytest.register_assert_rewrite("conformance")


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
