"""What several lanes need of the machine."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from chaoslab.core.errors import Missing
from chaoslab.lab.objects import ObjectStore
from chaoslab.postgres.programs.binaries import find_binaries

sys.path.insert(0, str(Path(__file__).parent / "support"))
pytest.register_assert_rewrite("catalog_runs")

# A shell starts what it puts into the background with SIGINT ignored, nohup does so with SIGHUP, and children inherit
# it. No test could interrupt anything then.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config):
    config.addinivalue_line("markers", "catalog: runs the experiments that `catalog_files` gives to its lane")


@pytest.fixture(scope="session")
def binaries():
    """Server programs; without them, the tests that need them are skipped."""
    try:
        return find_binaries(14)
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session", autouse=True)
def no_claims_left(tmp_path_factory):
    """What tests leave open on purpose claims places of theirs, which nobody else will ever mean."""
    yield
    for folder in (Path("/run/chaoslab/claims"), Path(f"/run/user/{os.getuid()}/chaoslab/claims")):
        for claim in folder.glob("*") if os.access(folder, os.W_OK) else ():
            with contextlib.suppress(OSError):
                if str(tmp_path_factory.getbasetemp()) in claim.read_text():
                    claim.unlink()


@pytest.fixture(scope="session")
def passable_root():
    """A folder that the server's user can reach: pytest's own are closed to it when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="chaoslab-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder of its own for each test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "chaoslab"


@pytest.fixture
def scratch_base(passable_root, tmp_path_factory):
    """A base folder for scratch folders that the server's user can pass; nothing may be left in it."""
    folder = passable_root / tmp_path_factory.mktemp("s").name  # short: see `tablespace_folder`
    folder.mkdir()
    folder.chmod(0o711)
    yield folder
    assert list(folder.iterdir()) == [], "a scratch folder was left behind"
    folder.rmdir()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory):
    """A real S3 object store with one zone, `a`, on http and https; make buckets of your own in it."""
    yield from _object_store(tmp_path_factory.mktemp("objects") / "store", ("a",))


@pytest.fixture(scope="session")
def two_regions(tmp_path_factory):
    """A real S3 object store with two zones, `a` and `b`, that replicate to each other."""
    yield from _object_store(tmp_path_factory.mktemp("objects") / "store", ("a", "b"))


def _object_store(folder, zones):
    store = ObjectStore(folder)
    try:
        store.start(zones)
    except Missing as missing:
        pytest.skip(str(missing))
    yield store
    store.remove()
