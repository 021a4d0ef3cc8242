"""The machine's clock is set by hours during a run: times-to-live, the reaper and all durations do not notice."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from chaoslab.lab.faketime import _library
from chaoslab.runtime.runlog import read_events

TTL_S = 2.0
METHOD = [
    ("strike", "chaoslab.process.actions", "pause", {"pid": "${pid}", "ttl": f"{TTL_S}s"}),
    ("endure", "chaoslab.runtime.actions", "wait", {"duration": "4s"}),
]


def step(name, module, func, arguments):
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"name": name, "type": "action", "provider": provider}


def exercise(pid):
    return {
        "title": "The clock is set",
        "description": "A fault whose time-to-live is over during the run.",
        "configuration": {"pid": pid},
        "steady-state-hypothesis": {
            "title": "all is well",
            "probes": [step("well", "os.path", "exists", {"path": "/"}) | {"type": "probe", "tolerance": True}],
        },
        "method": [step(*words) for words in METHOD],
        "rollbacks": [],
    }


def events(folder):
    return [event for path in folder.glob("reports/*/events.jsonl") for event in read_events(path)]


def first(folder, kind):
    return next((event for event in events(folder) if event["kind"] == kind), None)


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_is_set_moves_no_time_to_live_and_no_duration(sleeper, tmp_path, hours):
    file, clock = tmp_path / "exercise.json", tmp_path / "clock"
    file.write_text(json.dumps(exercise(sleeper.pid)))
    clock.write_text("+0\n")
    faked = {"LD_PRELOAD": str(_library()), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    state = {"XDG_STATE_HOME": str(tmp_path / "home"), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    words = [sys.executable, "-m", "chaoslab", "run", file, "--reports", tmp_path / "reports"]
    run = subprocess.Popen(words, env=os.environ | faked | state, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begun = time.monotonic()
    while not first(tmp_path, "fault-injected"):
        assert run.poll() is None
        assert time.monotonic() < begun + 120
        time.sleep(0.01)
    clock.write_text(f"{hours:+d}h\n")
    assert run.wait(timeout=240) == 11, "its time was over before the run did, which proves nothing"
    lasted_s = time.monotonic() - begun

    injected, undone, last = first(tmp_path, "fault-injected"), first(tmp_path, "fault-undone"), events(tmp_path)[-1]
    moved = datetime.fromisoformat(last["at"]) - datetime.fromisoformat(first(tmp_path, "run-started")["at"])
    assert abs(moved - timedelta(hours=hours)) < timedelta(minutes=10), "the run has seen the clock move"
    assert undone["by"] == "reaper"
    assert TTL_S / 3 <= undone["mono_s"] - injected["mono_s"] <= lasted_s
    [path] = tmp_path.glob("reports/*/report.json")
    report = json.loads(path.read_text())
    assert 4 <= report["run"]["duration_s"] <= lasted_s
    assert all(0 <= step["duration_s"] <= lasted_s for step in report["steps"])
