"""Every experiment of the catalog against the real lab; and in what must not pass, it does not."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from chaoslab.network.client import ProxyClient
from chaoslab.runtime.residue import open_runs

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(ROOT.glob("experiments/*/*.yaml"))
CANNOT = {
    "dns-fails": "the lab that is running has no dns.name",
    "dns-no-answer": "the lab that is running has no dns.name",
    "dns-slow": "the lab that is running has no dns.name",
    "dns-wrong-address": "the lab that is running has no dns.name",
    **{file.stem: "netem is missing" for file in EXPERIMENTS if "netem" in file.read_text()},
    "clock-skew": "cannot be moved while it runs; start it with LD_PRELOAD=",
    "disk-slow": "cannot be slowed down",
    "replica-paused": "start it with `chaoslab lab start --standby`",
    "consumer-lag": "start it with `chaoslab lab start --kafka`",
    "broker-paused": "start it with `chaoslab lab start --kafka`",
} | {file.stem: "start it with `chaoslab lab start --docker`" for file in EXPERIMENTS if file.parent.name == "docker"}
"""What a machine, or the lab on it, may have nothing for: then it is refused, and a lane of its own runs it."""
COMMAND = [sys.executable, "-c", "import sys; from chaoslab.cli.main import main; sys.exit(main())"]


@pytest.fixture
def environment(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    until_well(lab)


def file_of(name):
    return next(file for file in EXPERIMENTS if file.stem == name)


def arguments(file, tmp_path, variables):
    words = [word for name, value in variables.items() for word in ("--var", f"{name}={value}")]
    return [*COMMAND, "run", str(file), "--json", "--reports", str(tmp_path / "reports"), *words]


def run(file, tmp_path, **variables):
    """Run an experiment as a person does; return its exit code, its report, and what it said."""
    done = subprocess.run(
        arguments(file, tmp_path, variables), capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def missed(report):
    return {objective["name"] for objective in report["objectives"] if objective["outcome"] != "met"}


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


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_the_resilient_service_passes(environment, lab, tmp_path, file):
    variables = {"duration": "1s"} if "${duration}" in file.read_text() else {}
    code, report, said = run(file, tmp_path, **variables)
    if code == 10 and missed(report) == {"latency_p99"}:  # a machine that stood still makes everybody wait, once
        code, report, said = run(file, tmp_path, **variables)
    if code == 12 and (cannot := CANNOT.get(file.stem)):
        assert cannot in said
        pytest.skip(said)
    assert code == 0, said
    assert report["outcome"] == "passed"
    assert {objective["outcome"] for objective in report["objectives"]} == {"met"}
    [fault] = report["faults"]
    assert fault["effective_s"] is not None
    assert fault["undone_by"] == ("run" if variables else "itself")
    assert report["residue"] == []
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
    words = arguments(file_of("database-blocked"), tmp_path, {"duration": "60s"})
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
