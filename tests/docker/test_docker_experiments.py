"""Every experiment on containers, as a person runs it, against the lab; and what must not pass."""

import urllib.request

import pytest
from catalog_files import EXPERIMENTS, each_experiment_of
from catalog_runs import passes, usual_lab
from catalog_runs import run as run_file
from waiting import until

import chaoslab.lab
from chaoslab.runtime.residue import open_runs


@pytest.fixture(scope="module")
def lab(docker_host, binaries, passable_root):
    """A small lab with the service in a container too, which is the usual lab while the tests run."""
    with usual_lab(passable_root / "docker-lab", docker=True) as made:
        yield made


def is_well(lab):
    try:
        with urllib.request.urlopen(lab["docker"]["health"], timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def run(lab, tmp_path, name, **variables):
    """Run an experiment; return its exit code, its report, and what it said."""
    until(lambda: is_well(lab), "the container is well")
    [file] = [file for file in EXPERIMENTS if file.stem == name]
    told = run_file(file, tmp_path, **variables)
    assert open_runs(tmp_path / "home" / "chaoslab") == []
    return told


@pytest.mark.postgres
@each_experiment_of("docker")
def test_the_service_in_a_container_passes(lab, tmp_path, file):
    until(lambda: is_well(lab), "the container is well")
    passes(file, tmp_path)
    assert open_runs(tmp_path / "home" / "chaoslab") == []


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
