"""Each kind of damage is seen by the detectors that can see it, and repaired; both times stand in the report."""

import pytest

pytestmark = pytest.mark.postgres


def seen_by(report):
    """Return the detectors that saw the damage; all others looked and saw none."""
    assert all(part["outcome"] == "ok" for part in report.data["parts"]), report
    return {part["name"] for part in report.data["parts"] if part["figures"]["saw"] == "yes"}


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("heap", {"reads", "checksum-failures", "page-checksums", "amcheck", "digests", "pg-checksums"}),
        ("index", {"reads", "checksum-failures", "page-checksums", "amcheck", "pg-checksums"}),
        ("wal", {"waldump", "archive-checksums"}),
        ("backup", {"manifest", "verifybackup", "backup-pages"}),
    ],
)
def test_damage_is_seen_and_repaired(drill, binaries, what, seen):
    report = drill(f"what={what}", f"backups={2 if what == 'backup' else 1}")
    assert report.outcome == "passed", report
    absent = {where for code, where in report.findings("warning") if code == "detector-not-available"}
    assert seen_by(report) == seen - absent, report
    assert absent <= {"amcheck", "verifybackup"}, report
    objectives, figures = report.objectives, report.data["figures"]
    assert {name: one["outcome"] for name, one in objectives.items()} == {
        "detection": "met",
        "rto": "met",
        "rpo": "met",
    }
    marks = report.data["marks"]
    assert marks["disaster_s"] < marks["detected_s"] < marks["restored_s"] < marks["verified_s"]
    first = min(figures[f"{name.replace('-', '_')}_s"]["value"] for name in seen - absent)
    assert figures["detect_s"]["value"] == pytest.approx(first)
    assert figures["detect_s"]["value"] == pytest.approx(objectives["detection"]["actual"]["high"], abs=0.002)
    assert figures["recover_s"]["value"] > 0
    assert figures["lost_rows"]["value"] == 0
    [fault] = [one for one in report.data["faults"] if one["name"] == "postgres.corruption.corrupt"]
    assert fault["target"].startswith(f"{what}: ")
    if what != "index":  # the recovered server was seen not to serve until it was handed over, and to serve then
        since_s = marks["disaster_s"]
        assert marks["detected_s"] - since_s < objectives["rto"]["actual"]["low"] <= marks["serving_s"] - since_s
    if what == "backup":
        assert ("backup-passed-over", "base-2") in report.findings("warning")
