"""What several lanes need of the machine."""

import shutil
import tempfile
from pathlib import Path

import pytest

from chaoslab.core.errors import Missing
from chaoslab.postgres.binaries import find_binaries


@pytest.fixture(scope="session")
def binaries():
    """Server programs; without them, the tests that need them are skipped."""
    try:
        return find_binaries(14)
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def passable_root():
    """A folder that the server's user can reach: pytest's own are closed to it when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="chaoslab-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
