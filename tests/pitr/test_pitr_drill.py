"""The drill on a stand-in: each disaster really happens; what came before is there, what came after is not."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from folder_lab import wait_until
from postgres_drill import Report, command_of

from chaoslab.runtime.identity import state_of

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


class Started:
    """A drill that runs, to be disturbed at a certain step."""

    def __init__(self, folder, *variables):
        self.folder = folder
        command = command_of("postgres-pitr", folder, variables)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def events(self):
        for path in self.folder.glob("*/events.jsonl"):
            for line in path.read_text().splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    return

    def wait_for(self, step):
        def begun():
            assert self.process.poll() is None, self.process.communicate()
            return any(one["kind"] == "step-started" and one["name"] == step for one in self.events())

        wait_until(begun, within_s=120, what=f"step {step}")

    def end(self):
        stdout, stderr = self.process.communicate(timeout=240)
        assert "Traceback" not in stderr, stderr
        return Report(subprocess.CompletedProcess([], self.process.returncode, stdout, stderr), json.loads(stdout))


def processes_in(folder):
    """Return the processes that name a folder on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.fsencode(folder) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if state_of(pid) not in {"", "Z"}]


@pytest.mark.parametrize("step", ["reference", "recover"])
def test_a_killed_runner_leaves_nothing(step, state, tmp_path, scratch_base, source):
    run = Started(tmp_path / "reports", f"scratch_dir={scratch_base}", source, *QUICK)
    run.wait_for(step)
    [scratch] = scratch_base.iterdir()
    assert processes_in(scratch), "the stand-in and its writers are at work"
    run.process.send_signal(signal.SIGKILL)
    run.process.communicate()
    wait_until(lambda: not scratch.exists() and not processes_in(scratch), what="the end of all that it made")


@pytest.mark.skipif(os.geteuid() != 0, reason="the archive is taken away from the server's user by root")
def test_an_archive_that_does_not_take_the_last_segment(state, tmp_path, scratch_base, source):
    variables = (f"scratch_dir={scratch_base}", source, "profile=verify", "archive_within=3s", *QUICK)
    run = Started(tmp_path / "reports", *variables)
    run.wait_for("aim")
    [scratch] = scratch_base.iterdir()
    os.chown(scratch / "archive", 0, 0)
    report = run.end()
    assert report.outcome == "failed", report
    assert {"archive-stopped", "recovery-failed"} & report.codes(), report
