"""Repositories in which one thing is broken: each must come out failed, by a finding that names it, and never hang."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from folder_lab import SEGMENT_BYTES, flip

pytestmark = pytest.mark.postgres
PAGE_BYTES = 8192
SYSTEM_IDENTIFIER_AT = 24
TIMELINE_AT = 4


@pytest.fixture
def twin(drill, folder_lab, repository):
    """Run the drill on the broken copy."""

    def go(*variables, **how):
        return drill(f"source={folder_lab.dsn}", *repository.variables, *variables, **how)

    return go


def changed_drill(folder, change):
    """Return the shipped drill with something changed in its description."""
    file = yaml.safe_load((Path(__file__).parents[2] / "drills" / "postgres-pitr" / "drill.yaml").read_text())
    change(file["extensions"][0])
    target = folder / "changed.yaml"
    target.write_text(yaml.safe_dump(file))
    return str(target)


def instant(seconds):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_the_healthy_twin_passes_and_nothing_is_pushed_anywhere(twin, repository):
    before = repository.bytes_of_all()
    report = twin()
    assert report.outcome == "passed", report
    assert report.exit_code == 0
    assert report.codes() == set()
    assert repository.bytes_of_all() == before, "the drill wrote into the repository"
    assert {"fetched_s", "started_s", "replayed_s", "promoted_s", "verified_s"} <= report.data["marks"].keys()
    assert [part["name"] for part in report.data["parts"]] == ["backup first", "backup second"]
    assert report.data["figures"]["window_s"]["value"] > 0


def test_a_point_of_ones_own_is_reached(twin, folder_lab):
    report = twin(f"target=time {instant(folder_lab.late)}", "smoke_sql=SELECT count(*) = 2000 FROM clinic.visit")
    assert report.outcome == "passed", report


def test_an_older_backup_leads_to_an_older_point(twin, folder_lab):
    report = twin(f"target=time {instant(folder_lab.early)}", "smoke_sql=SELECT count(*) = 2000 FROM clinic.visit")
    assert report.outcome == "passed", report


def test_a_segment_is_missing_in_the_middle(twin, repository):
    gone = repository.segments()[-3]
    (repository.archive / gone).unlink()
    report = twin()
    assert report.outcome == "failed", report
    assert ("wal-gap", gone) in report.findings()


def test_the_point_lies_behind_a_gap(twin, repository, folder_lab):
    late = int(folder_lab.late_lsn.split("/")[1], 16) // SEGMENT_BYTES
    gone = f"{1:08X}{0:08X}{late:08X}"
    (repository.archive / gone).unlink()
    report = twin(f"target=lsn {folder_lab.late_lsn}")
    assert report.outcome == "failed", report
    assert {"wal-gap", "recovery-target-not-reached"} <= report.codes()


def test_a_segment_is_truncated(twin, repository):
    path = repository.archive / repository.segments()[-3]
    path.write_bytes(path.read_bytes()[: SEGMENT_BYTES // 2])
    report = twin()
    assert report.outcome == "failed", report
    assert ("wal-segment-truncated", path.name) in report.findings()


def patched(path, at, value, every_page):
    content = bytearray(path.read_bytes())
    for page in range(0, len(content) if every_page else 1, PAGE_BYTES):
        content[page + at : page + at + len(value)] = value
    path.write_bytes(content)


def test_a_segment_is_of_another_timeline(twin, repository, folder_lab):
    path = repository.archive / repository.segments()[-3]
    patched(path, TIMELINE_AT, (7).to_bytes(4, "little"), every_page=True)
    report = twin(f"target=time {instant(folder_lab.late + 3600)}")
    assert report.outcome == "failed", report
    assert "wal-of-another-timeline" in report.codes()


def test_a_timeline_that_does_not_lead_on_from_the_backup(twin, repository):
    (repository.archive / "00000007.history").write_text("6\t0/1000000\tno reason\n")
    report = twin("timeline=7")
    assert report.outcome == "failed", report
    assert "timeline-not-reachable" in report.codes()


def test_the_wal_is_of_another_server(twin, repository):
    for name in repository.segments():
        patched(repository.archive / name, SYSTEM_IDENTIFIER_AT, (4711).to_bytes(8, "little"), every_page=False)
    report = twin()
    assert report.outcome == "failed", report
    assert "wal-of-another-system" in report.codes()


def test_a_base_backup_without_its_label(twin, repository):
    (repository.base / "first" / "backup_label").unlink()
    report = twin("label=first")
    assert report.outcome == "failed", report
    assert ("backup-label-missing", "first") in report.findings()


def test_a_file_that_is_not_what_was_written(twin, repository):
    path = max(
        (repository.base / "first" / "base").rglob("*"), key=lambda one: one.stat().st_size if one.is_file() else 0
    )
    flip(path, path.stat().st_size - 100)
    report = twin("label=first")
    assert report.outcome == "failed", report
    assert "backup-checksum-differs" in report.codes()


def test_a_manifest_that_lies(twin, repository):
    path = repository.base / "second" / "backup_manifest"
    manifest = json.loads(path.read_text())
    largest = max(manifest["Files"], key=lambda one: one["Size"])
    path.write_text(path.read_text().replace(largest["Checksum"], "0" * len(largest["Checksum"])))
    report = twin()
    assert report.outcome == "failed", report
    assert ("manifest-broken", "second") in report.findings()


def test_a_tar_file_that_is_cut_off(twin, repository):
    path = repository.base / "second" / "base.tar"
    os.truncate(path, path.stat().st_size // 2)
    report = twin("label=second")
    assert report.outcome == "failed", report
    assert "backup-truncated" in report.codes()


def test_the_point_lies_before_the_oldest_backup(twin, folder_lab):
    report = twin(f"target=time {instant(folder_lab.early - 3600)}")
    assert report.outcome == "failed", report
    assert report.codes() == {"target-before-backup"}


def test_a_tablespace_is_missing(twin, repository):
    [link] = (repository.base / "first" / "pg_tblspc").iterdir()
    link.unlink()
    link.symlink_to("/nowhere/at/all")
    report = twin("label=first")
    assert report.outcome == "failed", report
    assert ("tablespace-missing", link.name) in report.findings()


def test_the_archive_stopped_long_before_the_disaster(twin, repository, tmp_path):
    names = repository.segments()
    notes = [path.name for path in repository.archive.glob("*.backup")]
    begin = names.index(max(notes)[:24])
    for name in names[begin + 1 :]:
        (repository.archive / name).unlink()
    file = changed_drill(tmp_path, lambda ours: ours.update(objectives={"rpo": "10ms"}))
    report = twin(file=file)
    assert report.outcome == "failed", report
    assert "recovery-point-beyond-objective" in report.codes()
    assert report.data["figures"]["lost_s"]["value"][0] > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root only")
def test_the_disk_is_too_small(twin, passable_root, tmp_path):
    small = passable_root / "small-disk"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0711", "tmpfs", small], check=True)
    try:
        file = changed_drill(tmp_path, lambda ours: ours.pop("guards"))
        report = twin(f"scratch_dir={small}", file=file)
        assert report.outcome == "failed", report
        assert "scratch-disk-full" in report.codes()
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_segment_that_never_comes_is_no_hang(twin, repository):
    path = repository.archive / repository.segments()[-3]
    path.unlink()
    os.mkfifo(path, 0o644)
    report = twin("deadline=6s")
    assert report.outcome == "failed", report
    assert "recovery-too-slow" in report.codes()
    left = [one for one in Path("/proc").glob("[0-9]*/cmdline") if str(path) in words(one)]
    assert left == [], "whoever waits for the segment was left behind"


def words(cmdline):
    try:
        return cmdline.read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.mark.parametrize("target", ["time 2026-01-31 02:00", "lsn here", "yesterday"])
def test_a_target_that_makes_no_sense_is_one_line(twin, target):
    report = twin(f"target={target}")
    assert report.outcome == "inconclusive"
    assert any("target:" in step["error"] for step in report.data["steps"] if step["error"])
