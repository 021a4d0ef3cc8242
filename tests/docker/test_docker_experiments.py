"""Every experiment on containers, as a person runs it, against the lab; and what must not pass."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conformance import until

import chaoslab.lab
from chaoslab.runtime.residue import open_runs

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(ROOT.glob("experiments/docker/*.yaml"))
CODE = "import sys; from chaoslab.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="module")
def lab(docker_host, binaries, passable_root):
    """A small lab with the service in a container too, which is the usual lab while the tests run."""
    home = passable_root / "docker-lab"
    before = os.environ.get("CHAOSLAB_LAB_HOME")
    os.environ["CHAOSLAB_LAB_HOME"] = str(home)
    try:
        yield chaoslab.lab.start(databases=1, size_mb=2, docker=True)
    finally:
        chaoslab.lab.stop(home, remove=True)
        os.environ.pop("CHAOSLAB_LAB_HOME")
        if before is not None:
            os.environ["CHAOSLAB_LAB_HOME"] = before


def is_well(lab):
    try:
        with urllib.request.urlopen(lab["docker"]["health"], timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def run(lab, tmp_path, name, **variables):
    """Run an experiment; return its exit code, its report, and what it said."""
    until(lambda: is_well(lab), "the container is well")
    words = [word for variable, value in variables.items() for word in ("--var", f"{variable}={value}")]
    file = ROOT / "experiments" / "docker" / f"{name}.yaml"
    command = [sys.executable, "-c", CODE, "run", str(file), "--json", "--reports", str(tmp_path / "reports"), *words]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path, env=environment
    )
    assert open_runs(tmp_path / "home" / "chaoslab") == []
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.postgres
@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_the_service_in_a_container_passes(lab, tmp_path, file):
    momentary = file.stem == "container-killed"
    code, report, said = run(lab, tmp_path, file.stem, **({} if momentary else {"duration": "1s"}))
    assert code == 0, said
    assert {objective["outcome"] for objective in report["objectives"]} == {"met"}
    [fault] = report["faults"]
    assert fault["effective_s"] is not None
    assert fault["undone_by"] == ("itself" if momentary else "run")


@pytest.mark.postgres
def test_the_platforms_own_way_passes_too(lab, tmp_path):
    code, _, said = run(lab, tmp_path, "container-database-blocked", duration="1s", way="exec")
    assert code == 0, said


@pytest.mark.postgres
def test_a_port_that_nobody_uses_proves_nothing(lab, tmp_path):
    code, report, _ = run(lab, tmp_path, "container-database-blocked", duration="100ms", port="9")
    assert code == 11
    assert "fault-without-effect" in {finding["code"] for finding in report["findings"]}


@pytest.mark.postgres
def test_readers_who_need_the_database_itself_fail(lab, tmp_path):
    """The health page stands for a service that remembers nothing."""
    code, report, _ = run(lab, tmp_path, "container-database-blocked", duration="2s", read_path="/actuator/health")
    assert code == 10
    assert {one["name"]: one["outcome"] for one in report["objectives"]}["availability"] == "missed"


@pytest.mark.postgres
def test_a_container_that_nobody_starts_again_is_refused(lab, tmp_path, idle):
    code, _, said = run(lab, tmp_path, "container-killed", container=idle.name)
    assert code == 12
    assert "has no restart policy" in said


@pytest.mark.postgres
def test_without_a_daemon_it_is_refused_before_anything_is_touched(lab, tmp_path):
    code, _, said = run(lab, tmp_path, "container-paused", docker="unix:///nowhere/docker.sock")
    assert code == 12
    assert "no Docker daemon answers at unix:///nowhere/docker.sock: No such file or directory" in said


@pytest.mark.postgres
def test_the_lab_comes_up_again_and_leaves_nothing_at_its_daemon(lab, client):
    again = chaoslab.lab.start(databases=1, size_mb=2)
    assert again["docker"]["id"] == lab["docker"]["id"], "what runs as wanted is left alone"
    client.containers.get("appointment-service").kill()
    until(lambda: chaoslab.lab.status()["state"] == "degraded", "it is noticed")
    assert "the container appointment-service does not answer" in chaoslab.lab.status()["problems"]
    assert chaoslab.lab.start(databases=1, size_mb=2)["state"] == "running"
