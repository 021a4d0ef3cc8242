"""The real lab, once for the whole lane, and scratch databases in it."""

import itertools
import tempfile
from pathlib import Path

import pytest
from catalog_runs import usual_lab

from chaoslab.lab.databases import create_database
from chaoslab.postgres.servers.folders import make_passable

LAB_MB = 5


@pytest.fixture
def passable(passable_root):
    """A new empty folder that the server's user can reach."""
    folder = Path(tempfile.mkdtemp(dir=passable_root))
    make_passable(folder)
    return folder


@pytest.fixture(scope="session")
def lab(binaries, passable_root):
    """The status of a small running lab that is the usual one while the tests run. Leave it as you found it."""
    with usual_lab(passable_root / "lab", databases=3, size_mb=LAB_MB) as made:
        yield made


@pytest.fixture(scope="session")
def make_database(lab):
    """Make scratch databases with the lab's structure on the lab's server: `make_database(size_mb=1) -> dsn`.

    They go with the lab: to drop each would cost a checkpoint.
    """
    numbers = itertools.count(1)

    def make(size_mb=1, name=""):
        name = name or f"scratch_{next(numbers)}"
        create_database(lab["server"]["dsn"], name, size_mb)
        return lab["server"]["dsn"].rpartition("/")[0] + "/" + name

    return make
