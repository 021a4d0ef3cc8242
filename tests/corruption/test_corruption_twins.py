"""Damage that is hard to see, or that there is no way back from: the drill says so, by its own code."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.postgres

TWINS = Path(__file__).parent / "support"


def saw(report):
    return {part["name"] for part in report.data["parts"] if part["figures"]["saw"] == "yes"}


def test_a_bit_with_its_checksum_put_right_is_seen_by_digests_alone(drill):
    report = drill("where=silent", "backups=1")
    assert report.outcome == "passed", report
    assert saw(report) == {"digests"}


def test_without_page_checksums_reading_sees_nothing(drill):
    report = drill("checksums=off", "detectors=reads", "backups=1")
    assert (report.outcome, report.exit_code) == ("failed", 10), report
    assert report.findings() == {("corruption-not-detected", "heap")}
    assert report.objectives["detection"]["outcome"] == "unknown"
    assert report.objectives["rto"]["outcome"] == "met"


def test_detectors_that_cannot_look_leave_it_open(drill):
    report = drill("checksums=off", "detectors=page-checksums,checksum-failures", "backups=1")
    assert (report.outcome, report.exit_code) == ("inconclusive", 11), report
    unknown = {("detector-not-available", "page-checksums"), ("detector-not-available", "checksum-failures")}
    assert report.findings("unknown") == {*unknown, ("detection-unknown", "heap")}
    assert {part["outcome"] for part in report.data["parts"]} == {"unknown"}


def test_flipping_free_space_proves_nothing(drill):
    report = drill("what=wal", "where=free", "backups=1")
    assert (report.outcome, report.exit_code) == ("inconclusive", 11), report
    assert "fault-without-effect" in report.codes("unknown")
    assert report.data["parts"] == []


def test_the_only_backup_is_the_broken_one(drill):
    report = drill("what=backup", "backups=1")
    assert (report.outcome, report.exit_code) == ("failed", 10), report
    assert report.codes() == {"no-usable-backup"}
    assert ("backup-passed-over", "base-1") in report.findings("warning")


def test_a_backup_made_after_the_damage_brings_it_back(drill):
    report = drill(file=str(TWINS / "backup-after-the-damage.yaml"))
    assert (report.outcome, report.exit_code) == ("failed", 10), report
    assert ("content-differs", "clinic.visit") in report.findings(), report


def test_a_damaged_segment_ends_recovery_without_an_error(drill):
    report = drill(file=str(TWINS / "wal-damaged-too.yaml"))
    assert (report.outcome, report.exit_code) == ("failed", 10), report
    assert ("acknowledged-lost", "chaoslab.work") in report.findings(), report
