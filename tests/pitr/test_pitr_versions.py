"""A backup of PostgreSQL 16 where only programs of 15 are: no other version reads its files."""

import pytest
from small_lab import SmallLab

import chaoslab.postgres.programs.binaries
from chaoslab.core.errors import Missing
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.programs.binaries import find_binaries, find_binaries_of

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def newer(other_versions, passable_root):
    """A server of 16 with a base backup and archived WAL."""
    made = SmallLab(passable_root / "newer", other_versions[16])
    yield made
    made.cluster.destroy()


@pytest.fixture
def variables(newer, binaries):
    if binaries.major >= 16:
        pytest.skip("the programs here are as new as the backup")
    return (*newer.variables, f"bin_dir={binaries.bin}")


def test_the_repository_tells_its_version(newer):
    [backup] = open_repository("folder", **newer.where).backups()
    assert backup.server_major == 16


def test_programs_that_are_older_than_the_backup(drill, folder_lab, variables):
    report = drill(f"source={folder_lab.dsn}", *variables)
    assert report.outcome == "failed", report
    assert ("server-version-differs", "first") in report.findings()
    [said] = [one["message"] for one in report.data["findings"] if one["code"] == "server-version-differs"]
    assert "install postgresql-16" in said
    assert "fetched_s" not in report.data["marks"], "nothing is restored that no program here can read"


def test_programs_that_are_older_than_the_source_as_well(drill, newer, variables):
    """Then the drill does not even begin."""
    report = drill(newer.source, *variables)
    assert report.outcome == "inconclusive", report
    assert report.data["marks"] == {}
    [said] = [step["error"] for step in report.data["steps"] if step["error"]]
    assert "PostgreSQL 16" in said
    assert "apt-get install postgresql-16" in said


def test_programs_are_found_by_their_very_version(other_versions, passable_root, monkeypatch):
    """Newer ones lie beside them and would be taken for a dump."""
    root = passable_root / "installed"
    root.mkdir()
    for major in (16, 18):
        (root / str(major)).symlink_to(other_versions[major].bin.parent)
    monkeypatch.setattr(chaoslab.postgres.programs.binaries, "DEBIAN_ROOT", root)
    assert find_binaries(16).major == 18
    assert find_binaries_of(16).bin == root / "16" / "bin"
    with pytest.raises(Missing, match=r"PostgreSQL 17 \(server programs\).*version 18.*postgresql-17"):
        find_binaries_of(17)
