"""Every experiment of the catalog against the real lab; and in what must not pass, it does not."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from catalog_files import EXPERIMENTS, USUAL, each_experiment_of
from catalog_runs import passes, run, words_of

from chaoslab.runtime.proxyclient import ProxyClient
from chaoslab.runtime.residue import open_runs


@pytest.fixture
def environment(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    until_well(lab)


def file_of(name):
    return next(file for file in EXPERIMENTS if file.stem == name)


def is_well(lab):
    try:
        with urllib.request.urlopen(lab["service"]["health"], timeout=20) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def until_well(lab, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not is_well(lab):
        assert time.monotonic() < deadline, "the service is not well"
        time.sleep(0.05)


@each_experiment_of(USUAL)
def test_the_resilient_service_passes(environment, lab, tmp_path, file):
    passes(file, tmp_path)
    assert ProxyClient(lab["proxy"]["control"]).toxics() == {}


def test_a_service_that_fails_its_readers_without_a_database_fails(environment, tmp_path):
    """Its health page stands for a service that remembers nothing."""
    code, report, _ = run(file_of("database-blocked"), tmp_path, duration="2s", read_path="/actuator/health")
    assert code == 10
    outcomes = {objective["name"]: objective["outcome"] for objective in report["objectives"]}
    assert outcomes["availability"] == "missed"
    assert report["residue"] == []


def test_a_service_that_nobody_starts_again_fails(environment, lab, tmp_path):
    supervisor = lab["service"]["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        code, report, _ = run(file_of("service-killed"), tmp_path, patience="2s")
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert code == 10
    [step] = [step for step in report["steps"] if step["name"] == "service-recovers"]
    assert step["outcome"] == "failed"
    assert "the last bad answer was: refused" in step["error"]
    until_well(lab)


def test_a_service_that_is_not_well_before_is_left_alone(environment, lab, tmp_path):
    code, report, _ = run(file_of("service-paused"), tmp_path, health_path="/nothing")
    assert code == 11
    assert report["outcome"] == "inconclusive"
    assert report["faults"] == []


def test_a_fault_that_nobody_meets_proves_nothing(environment, lab, tmp_path):
    """The proxy that is hit is not the one through which the service reaches its database."""
    control, state = tmp_path / "other.sock", tmp_path / "other.json"
    words = ["--upstream", lab["proxy"]["upstream"], "--control", str(control), "--state", str(state)]
    other = subprocess.Popen([sys.executable, "-m", "chaoslab.network.proxy", *words])
    try:
        while not state.exists():
            time.sleep(0.01)
        code, report, _ = run(file_of("database-blocked"), tmp_path, duration="100ms", proxy=control)
    finally:
        other.kill()
        other.wait()
    assert code == 11
    assert "fault-without-effect" in {finding["code"] for finding in report["findings"]}


@pytest.mark.parametrize(
    ("name", "variables", "why"),
    [
        ("service-killed", {"pid_file": "/nowhere/pid"}, "cannot read the pid file /nowhere/pid"),
        ("service-paused", {"pid_file": "/proc/1/comm"}, "is no pid file"),
        ("database-slow", {"proxy": "/nowhere/proxy.sock"}, "does not answer"),
        ("database-slow", {"latency": "1h"}, "latency: must be above 0s and at most 10s"),
        ("database-throttled", {"rate": "fast"}, "rate: "),
    ],
)
def test_what_cannot_be_hit_is_refused_before_anything_is_touched(environment, lab, tmp_path, name, variables, why):
    code, _, said = run(file_of(name), tmp_path, **variables)
    assert code in {2, 12}
    assert why in said
    assert "Traceback" not in said
    assert is_well(lab)


def test_a_runner_killed_in_the_middle_leaves_nothing_behind(environment, lab, tmp_path):
    words = words_of(file_of("database-blocked"), tmp_path, {"duration": "60s"})
    runner = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not ProxyClient(lab["proxy"]["control"]).toxics():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        runner.kill()
        runner.wait()
    killed_s = time.monotonic()
    while ProxyClient(lab["proxy"]["control"]).toxics():
        assert time.monotonic() - killed_s < 50, "its time to live is 60 s, and somebody must be quicker"
        time.sleep(0.01)
    until_well(lab)
    deadline = time.monotonic() + 60
    while open_runs(tmp_path / "home" / "chaoslab"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
