"""A circuit breaker opens on failures or slowness, sheds at once, lets one try, and closes or opens again."""

import threading
import time

import pytest

from chaoslab.lab.breaker import Breaker, NoBreaker, Unavailable


def fail():
    raise Unavailable("away")


def opened(**settings):
    breaker = Breaker("x", failures=2, **settings)
    for _ in range(2):
        with pytest.raises(Unavailable, match="away"):
            breaker.call(fail)
    assert breaker.state == "open"
    return breaker


def test_failures_in_a_row_open_it_and_a_good_call_between_them_counts():
    breaker = Breaker("x", failures=2)
    for work in (fail, int, fail):
        try:
            breaker.call(work)
        except Unavailable:
            assert breaker.state == "closed"
    with pytest.raises(Unavailable):
        breaker.call(fail)
    assert breaker.state == "open"
    assert breaker.calls == {"successful": 1, "failed": 3, "slow": 0}


def test_slow_calls_open_it_too():
    breaker = Breaker("x", failures=1, slow_s=0.01)
    assert breaker.call(lambda: time.sleep(0.02) or "done") == "done"
    assert (breaker.state, breaker.calls["slow"]) == ("open", 1)


def test_an_open_one_sheds_without_asking():
    breaker = opened(open_s=60)
    with pytest.raises(Unavailable, match="its circuit breaker is open"):
        breaker.call(lambda: pytest.fail("it was asked"))
    assert breaker.shed == 1


def test_one_call_tries_and_the_others_are_shed_meanwhile():
    breaker = opened(open_s=0.0)
    trying, release = threading.Event(), threading.Event()
    trial = threading.Thread(target=lambda: breaker.call(lambda: (trying.set(), release.wait(60))))
    trial.start()
    assert trying.wait(60)
    with pytest.raises(Unavailable, match="half_open"):
        breaker.call(int)
    release.set()
    trial.join()
    assert breaker.state == "closed"


def test_a_trial_that_fails_opens_it_again_at_once():
    breaker = opened(open_s=0.0)
    with pytest.raises(Unavailable, match="away"):
        breaker.call(fail)
    assert breaker.state == "open"


def test_without_a_breaker_everything_goes_through():
    breaker = NoBreaker("x")
    for _ in range(5):
        with pytest.raises(Unavailable, match="away"):
            breaker.call(fail)
    assert (breaker.state, breaker.shed, breaker.calls["failed"]) == ("closed", 0, 5)
