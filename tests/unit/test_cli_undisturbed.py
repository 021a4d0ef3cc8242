"""A run that is over gets its report, however impatient somebody is."""

import signal

import pytest

from chaoslab.cli.run import _undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_does_not_end_the_writing_of_a_report(number):
    heard = []
    before = signal.signal(number, lambda *told: heard.append(told[0]))
    try:
        with _undisturbed():
            signal.raise_signal(number)
        assert heard == []
        signal.raise_signal(number)
        assert heard == [number]
    finally:
        signal.signal(number, before)
