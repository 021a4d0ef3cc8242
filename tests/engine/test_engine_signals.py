"""One stop, however often and by whom it is asked for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from chaoslab.engine.signals import Stop, Stopper


class Told:
    """What a stopper told."""

    def __init__(self) -> None:
        self.stops: list[str] = []
        self.again: list[str] = []
        self.stopper = Stopper(on_stop=self.stops.append, on_again=self.again.append)


@pytest.fixture
def told() -> Iterator[Told]:
    """Install a stopper and put the handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    told = Told()
    told.stopper.install()
    yield told
    told.stopper.restore()
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"])
def test_the_first_signal_stops_and_the_next_are_answered(told: Told, name: str) -> None:
    with pytest.raises(Stop, match=name):
        os.kill(os.getpid(), getattr(signal, name))
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert (told.stops, told.again, told.stopper.reason) == ([name], ["SIGTERM", "SIGINT"], name)


def test_no_activity_can_swallow_a_stop() -> None:
    assert not issubclass(Stop, Exception)


def test_a_thread_stops_the_main_thread(told: Told) -> None:
    threading.Timer(0.05, told.stopper.stop, ["tripwire api"]).start()
    began = time.monotonic()
    with pytest.raises(Stop):
        time.sleep(60.0)
    assert time.monotonic() - began < 30.0
    assert told.stopper.reason == "tripwire api"


def test_while_it_is_undone_nothing_stops_it(told: Told) -> None:
    told.stopper.shield()
    os.kill(os.getpid(), signal.SIGINT)
    told.stopper.stop("tripwire api")
    assert (told.stops, told.again) == ([], ["SIGINT"])


def test_a_stopper_that_is_not_in_place_stops_nobody() -> None:
    told = Told()
    told.stopper.stop("tripwire api")
    assert told.stops == []


def test_it_takes_over_again_and_puts_back_the_first_handlers(told: Told) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    told.stopper.install()
    with pytest.raises(Stop):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_block_is_done_whole_and_then_stopped(told: Told) -> None:
    done = []

    def block() -> None:
        with told.stopper.held():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("to the end")
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stop, match="SIGTERM"):
        block()
    assert (done, told.stops, told.again) == (["to the end"], ["SIGTERM"], ["SIGINT"])
    with told.stopper.held():
        pass
