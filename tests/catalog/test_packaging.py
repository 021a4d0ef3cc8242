"""A wheel, installed into an empty environment and used from an empty folder, is all that a person needs."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from chaoslab.postgres.programs.binaries import find_binaries

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command without this checkout on Python's path, and keep what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=cwd, env=environment | variables, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel without a network, with the locked hatchling."""
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    [path] = folder.glob("chaoslab-*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with its own requirements only, at the locked versions; return the folder of its commands."""
    home = tmp_path_factory.mktemp("empty-venv")
    made = run(UV, "venv", "--quiet", "--python", sys.executable, home, cwd=home)
    assert made.returncode == 0, made.stderr
    command = (UV, "pip", "install", "--quiet", "--python", home / "bin/python", "--no-verify-hashes")
    wanted = ("--constraint", ROOT / "requirements/dev.lock", f"chaoslab[pg] @ {wheel.as_uri()}")
    # The cache has all of it when scripts/install ran here; only otherwise is an index asked.
    done = run(*command, "--offline", *wanted, cwd=home)
    if done.returncode != 0:
        done = run(*command, *wanted, cwd=home)
    assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that must stay empty."""
    folder = tmp_path / "empty"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def test_the_wheel_carries_code_types_and_licence(wheel: Path, names: set[str]) -> None:
    code = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "chaoslab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert code - names == set()
    assert "chaoslab/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        said = Parser().parsestr(archive.read(metadata).decode())
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Requires-Python"] == ">=3.12"
    assert {"pg", "k8s", "aws", "docker", "redis", "kafka", "dns", "otel", "all"} <= set(
        said.get_all("Provides-Extra") or []
    )


@pytest.mark.parametrize("folder", ["experiments", "drills"])
def test_the_wheel_carries_the_whole_catalog(names: set[str], folder: str) -> None:
    here = {
        f"chaoslab/catalog/{path.relative_to(ROOT)}"
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".yaml", ".yml", ".md"}
    }
    assert here, f"no file in {folder}"
    assert here - names == set()


def test_the_wheel_carries_nothing_else(names: set[str]) -> None:
    odd = {name for name in names if not name.startswith("chaoslab/") and ".dist-info/" not in name}
    assert odd == set()
    assert [name for name in names if "__pycache__" in name or name.endswith((".jsonl", ".lock"))] == []


def test_an_installed_chaoslab_lists_its_catalog(installed: Path, empty: Path) -> None:
    listed = run(installed / "chaoslab", "list", "--json", cwd=empty)
    assert (listed.returncode, listed.stderr) == (0, "")
    entries = {entry["name"]: entry for entry in json.loads(listed.stdout)}
    assert {"postgres-restore", "database-blocked", "service-paused", "service-killed"} <= set(entries)
    for entry in entries.values():
        assert {"name", "kind", "title", "domain", "needs", "objectives"} <= set(entry)


def test_an_installed_chaoslab_checks_its_catalog(installed: Path, empty: Path) -> None:
    listed = run(installed / "chaoslab", "list", "--json", cwd=empty)
    for entry in json.loads(listed.stdout):
        checked = run(installed / "chaoslab", "check", entry["name"], cwd=empty)
        assert checked.returncode == 0, f"{entry['name']}: {checked.stdout}{checked.stderr}"


def test_an_installed_chaoslab_comes_from_its_wheel(installed: Path, empty: Path) -> None:
    found = run(installed / "python", "-c", "import chaoslab; print(chaoslab.__file__)", cwd=empty)
    assert Path(found.stdout.strip()).is_relative_to(installed.parent), found.stderr


@pytest.fixture
def lab_home() -> Iterator[Path]:
    """A folder for a lab, which the user that PostgreSQL runs as can reach."""
    folder = Path(tempfile.mkdtemp(prefix="chaoslab-wheel-"))
    folder.chmod(0o755)
    yield folder / "lab"
    shutil.rmtree(folder)


@pytest.mark.postgres
def test_an_installed_chaoslab_runs_its_catalog(installed: Path, empty: Path, tmp_path: Path, lab_home: Path) -> None:
    # The empty environment has no server programs of its own: those of this machine are named.
    where = {"CHAOSLAB_LAB_HOME": str(lab_home), "XDG_STATE_HOME": str(tmp_path / "state")}
    where["CHAOSLAB_PG_BIN"] = str(find_binaries().bin)
    chaoslab = installed / "chaoslab"
    try:
        started = run(chaoslab, "lab", "start", "--databases", "2", "--size", "4MiB", cwd=empty, **where)
        assert started.returncode == 0, started.stderr
        for name in ("postgres-restore", "database-blocked"):
            ran = run(chaoslab, "run", name, "--reports", tmp_path / "reports", "--json", cwd=empty, **where)
            assert ran.returncode == 0, ran.stderr
            assert json.loads(ran.stdout)["outcome"] == "passed"
    finally:
        stopped = run(chaoslab, "lab", "stop", "--remove", cwd=empty, **where)
    assert stopped.returncode == 0, stopped.stderr
