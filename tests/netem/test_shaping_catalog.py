"""The catalog's bad networks between the lab's service and its database, each as a person runs it."""

import contextlib
import time
import urllib.request

import pytest
from bare_lab import bare_lab
from catalog_files import each_experiment_of
from catalog_runs import passes
from conformance import until

from chaoslab.runtime.runlog import read_events

RATE = "6.0"
"""Requests a second of each prober: what a kernel in a process bears on a machine that is busy otherwise."""
QUICK_S = 0.3


@pytest.fixture(scope="module")
def lab():
    with bare_lab() as made:
        yield made


def answers_quickly(url):
    begin = time.monotonic()
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=20) as answer:
        return answer.status == 200 and time.monotonic() - begin < QUICK_S
    return False


@pytest.mark.netem
@pytest.mark.postgres
@each_experiment_of("netem")
def test_the_resilient_service_passes(lab, tmp_path, file):
    url, port = lab
    for page in ("/appointments/1", "/actuator/health"):
        until(lambda page=page: all(answers_quickly(f"{url}{page}") for _ in range(5)), "the service is well", 120)
    report = passes(file, tmp_path, patience=4, service_url=url, ports=port, rate=RATE, duration="3s")
    if file.stem == "network-latency":
        assert min(during_s(report, tmp_path)) >= 0.2


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
