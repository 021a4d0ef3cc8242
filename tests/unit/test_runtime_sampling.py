"""Samples come in as they are answered, and are found again by when they were due; arguments are read from text."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.runtime import arguments
from chaoslab.runtime.clock import SimulatedClock
from chaoslab.runtime.runlog import RunLog, each_event, read_events
from chaoslab.runtime.sampling import Sampler
from chaoslab.runtime.secrets import Secrets


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def log(tmp_path, clock):
    made = RunLog.create(tmp_path / "events.jsonl", clock=clock, secrets=Secrets())
    yield made
    made.close()


def test_samples_are_found_by_when_they_were_due_whatever_the_order_of_their_answers(log):
    sampler = Sampler("api", log)
    assert sampler.first() is None
    for at_s, latency_s in ((0.0, 0.1), (0.2, 0.1), (0.1, 0.9), (0.3, 0.8), (0.9, 0.3)):
        sampler.add(at_s, latency_s, True)
    assert [sample.at_s for sample in sampler.since(0.15)] == [0.2, 0.3, 0.9]
    assert [sample.at_s for sample in sampler.since(0.0)] == [0.0, 0.2, 0.1, 0.3, 0.9]
    assert sampler.since(1.0) == []
    assert (sampler.first().at_s, sampler.last().at_s) == (0.0, 0.9)


def test_samples_are_written_once_a_second_and_at_the_end(log, clock):
    sampler = Sampler("api", log)
    sampler.add(0.0, 0.1, True)
    assert read_events(log.path) == []
    clock.sleep(1.5)
    sampler.add(0.5, 0.1, False, "503")
    [event] = read_events(log.path)
    assert event["batch"] == [[0.0, 0.1, True, ""], [0.5, 0.1, False, "503"]]
    sampler.add(0.6, 0.1, True)
    sampler.flush()
    sampler.flush()
    assert [len(event["batch"]) for event in read_events(log.path)] == [2, 1]


def test_second_0_of_a_sampler_is_that_of_its_run(log, clock):
    assert Sampler("api", log).origin_mono_s == clock.mono()


def test_arguments_are_read_from_text_and_what_is_wrong_names_them():
    assert arguments.seconds("latency", "200ms") == 0.2
    assert arguments.size_bytes("rate", "64KiB") == 65536
    assert arguments.share("at_least", "95%") == 0.95
    assert arguments.time_to_live("1m") == 60.0
    for read, name, text in (
        (arguments.seconds, "latency", "fast"),
        (arguments.size_bytes, "rate", "much"),
        (arguments.share, "at_least", "0.95"),
    ):
        with pytest.raises(BadUsage, match=f"^{name}: "):
            read(name, text)
    with pytest.raises(BadUsage, match="^ttl: must be longer than zero"):
        arguments.time_to_live("0s")


def test_samples_that_could_not_be_written_are_written_later(log, clock, monkeypatch):
    sampler, append = Sampler("api", log), log.append

    def full(*_args, **_fields):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log, "append", full)
    sampler.add(0.0, 0.1, True)
    clock.sleep(1.5)
    sampler.add(1.5, 0.1, False, "503")
    with pytest.raises(OSError, match="No space"):
        sampler.flush()
    monkeypatch.setattr(log, "append", append)
    sampler.flush()
    (event,) = read_events(log.path)
    assert event["batch"] == [[0.0, 0.1, True, ""], [1.5, 0.1, False, "503"]]


def test_when_a_prober_stood_still_is_written_with_its_samples(log, clock):
    sampler = Sampler("api", log)
    sampler.stalled(0.2, 0.9)
    clock.sleep(1.5)
    sampler.add(0.5, 0.1, True)
    assert [(event["kind"], event["batch"][0]) for event in each_event(log.path)] == [
        ("stalls", [0.2, 0.9]),
        ("samples", [0.5, 0.1, True, ""]),
    ]
