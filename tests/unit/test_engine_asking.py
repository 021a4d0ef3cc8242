"""A prober that asks a function: every slot gives one sample, and what is not known to be good is bad."""

import itertools
import threading
import time

import pytest

from chaoslab.core.document import read_document
from chaoslab.core.extension import ProbeProber
from chaoslab.engine.asking import AskingProber
from chaoslab.runtime.clock import SystemClock
from chaoslab.runtime.runlog import RunLog
from chaoslab.runtime.sampling import Sampler
from chaoslab.runtime.secrets import Secrets


@pytest.fixture
def sampler(tmp_path):
    log = RunLog.create(tmp_path / "events.jsonl", clock=SystemClock(), secrets=Secrets())
    yield Sampler("lag", log)
    log.close()


def asked(sampler, ask, *, count, rate_hz=50.0, timeout_s=5.0):
    """Ask until there are so many samples, and return them."""
    prober = AskingProber("lag", ask, sampler=sampler, rate_hz=rate_hz, timeout_s=timeout_s, clock=SystemClock())
    prober.start()
    deadline = time.monotonic() + 60
    while len(sampler.since(-1.0)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    prober.stop()
    return sampler.since(-1.0)


def test_a_yes_is_good_and_a_no_or_an_exception_is_bad(sampler):
    answers = iter([True, True, False, ValueError("away\nfor long"), 1])

    def ask():
        answer = next(answers, True)
        if isinstance(answer, Exception):
            raise answer
        return answer

    notes = [note for note, _ in itertools.groupby(sample.note for sample in asked(sampler, ask, count=30))]
    assert notes[:4] == ["", "it said no", "away for long", ""]


def test_slots_that_pass_while_a_question_is_unanswered_are_told_by_its_answer(sampler):
    held, questions = threading.Event(), itertools.count()

    def ask():
        if next(questions) == 1:
            held.wait(0.3)
            return False
        return True

    samples = asked(sampler, ask, count=30)
    assert sum(sample.note == "it said no" for sample in samples) >= 10
    slots = [round((sample.at_s - samples[0].at_s) * 50) for sample in samples]
    assert slots == list(range(len(samples)))


def test_a_yes_that_comes_too_late_is_bad(sampler):
    samples = asked(sampler, lambda: time.sleep(0.05) or True, count=2, rate_hz=5.0, timeout_s=0.01)
    assert samples[0].note == "too late"


def test_it_is_declared_beside_probers_of_addresses():
    text = "{name: lag, probe: {module: a.b, func: c, arguments: {group: g}}, rate_hz: 2.0}"
    prober = ProbeProber.model_validate(read_document(text, "a.yaml").data)
    assert (prober.rate_hz, prober.timeout, prober.probe.arguments) == (2.0, 5.0, {"group": "g"})
