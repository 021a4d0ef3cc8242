"""The catalog's bad networks between the lab's service and its database, each as a person runs it."""

import contextlib
import time
import urllib.request

import pytest
from bare_lab import bare_lab
from catalog_files import each_experiment_of, files_of
from catalog_runs import passes, run
from waiting import until

from chaoslab.runtime.runlog import read_events

RATE = "6.0"
"""Requests a second of each prober: what a kernel in a process bears on a machine that is busy otherwise."""
QUICK_S = 0.3
PATIENCE = 4
"""How often an experiment is asked again that has proved nothing, since its prober got no processor."""


@pytest.fixture(scope="module")
def lab():
    with bare_lab() as made:
        yield made


def answers_quickly(url):
    begin = time.monotonic()
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=20) as answer:
        return answer.status == 200 and time.monotonic() - begin < QUICK_S
    return False


def until_quick(url):
    for page in ("/appointments/1", "/actuator/health"):
        until(lambda page=page: all(answers_quickly(f"{url}{page}") for _ in range(5)), "the service is well", 120)


@pytest.mark.netem
@pytest.mark.postgres
@each_experiment_of("netem")
def test_the_resilient_service_passes(lab, tmp_path, file):
    until_quick(lab.url)
    report = passes(file, tmp_path, patience=PATIENCE, service_url=lab.url, ports=lab.port, rate=RATE, duration="3s")
    if file.stem == "network-latency":
        assert min(during_s(report, tmp_path)) >= 0.2


@pytest.mark.netem
@pytest.mark.postgres
@pytest.mark.catalog
def test_without_a_pool_latency_is_multiplied_by_what_a_new_connection_takes(lab, tmp_path):
    until_quick(lab.twin)
    file = next(file for file in files_of("netem") if file.stem == "network-latency")
    for _ in range(PATIENCE):
        variables = {"service_url": lab.twin, "ports": lab.port, "rate": "1.0", "look_back": "10s", "duration": "6s"}
        code, report, said = run(file, tmp_path, **variables)
        if code != 11:
            break
    assert code == 10, said
    outcomes = {objective["name"]: objective["outcome"] for objective in report["objectives"]}
    assert outcomes["latency_p99"] == "missed", said


def during_s(report, tmp_path):
    """Return how long readers waited who asked while the fault was on."""
    [fault] = report["faults"]
    [undo] = [step for step in report["steps"] if step["phase"] == "undo"]
    log = max((tmp_path / "reports").glob("*/events.jsonl"))
    events = [event for event in read_events(log) if event["kind"] == "samples" and event["prober"] == "reads"]
    samples = [sample for event in events for sample in event["batch"]]
    return [
        taken_s for at_s, taken_s, good, _ in samples if good and fault["effective_s"] < at_s < undo["start_s"] - 0.5
    ]
