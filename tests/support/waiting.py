"""Waiting for something to come true: never for a fixed time, and never for ever."""

import time

PATIENCE_S = 120.0
"""What a machine may take that has no time for us; who waits, waits for the thing itself."""
_LOOK_S = 0.01


def until(condition, what="it comes true", within_s=PATIENCE_S):
    """Wait for a condition; says in one line what did not come true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {within_s:g} s"
        time.sleep(_LOOK_S)
