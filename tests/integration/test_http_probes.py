"""The probes that judge a prober's samples while the run goes on."""

import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from http_targets import probing, running_server, running_session, until_sampled

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.core.stalls import HELD_UP
from chaoslab.http.probes import recovered, serving
from chaoslab.runtime.actions import undo


@pytest.fixture
def server():
    with running_server() as running:
        yield running


@pytest.fixture
def session(tmp_path):
    with running_session(tmp_path) as made:
        yield made


def test_serving_waits_for_the_first_samples_and_judges_the_last_while(session, server):
    with probing(session, server.url, rate_hz=100.0):
        began = time.monotonic()
        assert serving("api", last="300ms") is True
        assert time.monotonic() - began > 0.25
        _, end = server.outage(0.0, 0.3)
        until_sampled(session, 30, after_mono_s=end)
        since_the_start = f"{time.monotonic() - began:.3f}s"
        assert serving("api", last=since_the_start) is False
        assert serving("api", last=since_the_start, at_least="10%") is True
        assert serving("api", last="100ms") is True


def test_serving_does_not_look_back_into_a_fault_that_is_over(session, server):
    with probing(session, server.url, rate_hz=100.0):
        _, end = server.outage(0.0, 0.3)
        until_sampled(session, 1, after_mono_s=end)
        assert recovered("api", within="60s", stable="200ms")
        assert serving("api", last="1s") is True
        assert any(not sample.good for sample in session.sampler("api").since(0.0))
        undo()
        ended_s = session.now_s()
        assert serving("api", last="300ms") is True
        assert session.now_s() - ended_s > 0.25


def test_serving_awaits_the_answers_that_are_missing(session, server):
    """The service has just begun to hang: the answers that are there are good, and those that are not count too."""
    with probing(session, server.url, rate_hz=100.0, timeout_s=1.0):
        assert serving("api", last="200ms") is True
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        assert serving("api", last="200ms") is False


def test_too_few_samples_are_no_answer(session, server):
    with (
        probing(session, server.url, rate_hz=10.0),
        pytest.raises(ChaoslabError, match=r"took \d samples within 300ms"),
    ):
        serving("api", last="300ms")


def test_what_only_the_prober_missed_is_looked_at_again(session):
    """A stretch in which the prober stood still tells nothing; one in which the service failed tells enough."""
    sampler = session.sampler("api")
    begin_s = session.now_s() + 60  # ahead: however slow the machine is, the stretch is counted from the first sample
    for number in range(40):
        held_up = number < 10
        sampler.add(begin_s + number / 100, 0.001, not held_up, HELD_UP if held_up else "")
    sampler.settled_s = begin_s + 0.5
    assert serving("api", last="200ms") is True
    failing = session.sampler("failing")
    for number in range(40):
        failing.add(begin_s + number / 100, 0.001, number >= 10, "" if number >= 10 else "503")
    failing.settled_s = begin_s + 0.5
    failing.stalled(begin_s + 1, begin_s + 2)
    assert serving("failing", last="400ms") is False


def test_a_misspelt_prober_is_told_at_once(session, server):
    with probing(session, server.url), pytest.raises(BadUsage, match="there is no prober 'apu'; did you mean 'api'"):
        serving("apu")


def test_recovered_waits_until_it_is_good_for_a_while(session, server):
    with probing(session, server.url, rate_hz=100.0):
        begin, end = server.outage(0.0, 1.0)
        until_sampled(session, 1, after_mono_s=begin + 0.1)
        assert recovered("api", within="60s", stable="300ms") is True
        assert time.monotonic() - end > 0.28


def test_recovered_does_not_take_the_time_before_the_fault_was_felt_for_recovery(session, server):
    with probing(session, server.url, rate_hz=100.0):
        time.sleep(0.5)
        _, end = server.outage(0.05, 0.4)
        assert recovered("api", within="60s", stable="200ms") is True
        assert time.monotonic() > end + 0.15


def test_what_does_not_recover_in_time_is_an_error_that_says_why(session, server):
    with probing(session, server.url, rate_hz=100.0):
        server.outage(0.0, 60.0)
        with pytest.raises(ChaoslabError, match="was not good for 200ms on end within 400ms; .*503"):
            recovered("api", within="400ms", stable="200ms")


def test_what_has_recovered_is_in_steady_state_at_once(session, server):
    """The hypothesis after the method looks back just as far: it must not see the outage any more."""
    with probing(session, server.url, rate_hz=20.0):
        for _ in range(4):
            server.outage(0.0, 0.1)
            time.sleep(0.05)
            assert recovered("api", within="60s", stable="300ms") is True
            assert serving("api", last="300ms") is True
