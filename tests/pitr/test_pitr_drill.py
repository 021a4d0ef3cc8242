"""The drill on a stand-in: each disaster really happens; what came before is there, what came after is not."""

import os

import pytest
from folder_lab import wait_until
from postgres_drill import Started, at_work_in

pytestmark = pytest.mark.postgres
QUICK = ("wal_segment=1MiB", "archive_timeout=1s", "beat_every=20ms", "work_every=10ms")


@pytest.fixture
def source(folder_lab):
    return f"source={folder_lab.dsn}"


@pytest.mark.parametrize(
    ("disaster", "target", "form"),
    [
        ("drop-table", "time", "plain"),
        ("delete-rows", "lsn", "tar"),
        ("corrupt-page", "name", "tar.gz"),
        ("kill-server", "", "plain"),
        ("remove-data", "", "tar"),
    ],
)
def test_a_disaster_is_survived(disaster, target, form, drill, source):
    report = drill(source, f"disaster={disaster}", f"target={target}", f"form={form}", *QUICK)
    assert report.outcome == "passed", report
    assert report.exit_code == 0
    marks, figures = report.data["marks"], report.data["figures"]
    stages = ("disaster", "fetched", "started", "consistent", "replayed", "promoted", "serving", "verified")
    instants = [marks[f"{stage}_s"] for stage in stages]
    assert instants == sorted(instants)
    assert marks["disaster_s"] <= marks["detected_s"]
    low_s, high_s = figures["lost_s"]["value"]
    assert 0 <= low_s <= high_s
    assert figures["heartbeat_before"]["value"] > 0
    assert figures["work_before"]["value"] > 0
    if target:
        assert figures["heartbeat_after"]["value"] > 0, "nothing came after the point: half of the proof is missing"
    [fault] = [one for one in report.data["faults"] if one["name"].endswith("strike")]
    assert fault["injected_s"] is not None
    assert disaster in fault["target"]
    assert report.data["residue"] == []


def test_a_disaster_that_there_is_not(drill, source):
    report = drill(source, "disaster=meteorite", *QUICK)
    assert report.outcome == "inconclusive"
    assert "drop-table" in " ".join(step["error"] for step in report.data["steps"] if step["error"])


@pytest.mark.parametrize("step", ["reference", "recover"])
def test_a_killed_runner_leaves_nothing(step, state, tmp_path, scratch_base, source):
    run = Started("postgres-pitr", tmp_path / "reports", f"scratch_dir={scratch_base}", source, *QUICK)
    run.wait_for_step(step)
    [scratch] = scratch_base.iterdir()
    assert at_work_in(scratch), "the stand-in and its writers are at work"
    run.kill()
    wait_until(lambda: not scratch.exists() and not at_work_in(scratch), what="the end of all that it made")


@pytest.mark.skipif(os.geteuid() != 0, reason="the archive is taken away from the server's user by root")
def test_an_archive_that_does_not_take_the_last_segment(state, tmp_path, scratch_base, source):
    variables = (f"scratch_dir={scratch_base}", source, "profile=verify", "archive_within=3s", *QUICK)
    run = Started("postgres-pitr", tmp_path / "reports", *variables)
    run.wait_for_step("aim")
    [scratch] = scratch_base.iterdir()
    os.chown(scratch / "archive", 0, 0)
    report = run.end()
    assert report.outcome == "failed", report
    assert {"archive-stopped", "recovery-failed"} & report.codes(), report


def test_a_scratch_folder_too_deep_for_a_tablespace(scratch_base, source, drill):
    deep = scratch_base / ("deep" * 10)
    deep.mkdir(mode=0o711)
    report = drill(source, f"scratch_dir={deep}", *QUICK)
    deep.rmdir()
    assert report.outcome == "inconclusive", report
    assert "name a folder less deep" in " ".join(step["error"] for step in report.data["steps"] if step["error"])
