"""A lock on a file that is waited for, but not for ever: a holder that was stopped must not keep a fault alive."""

import fcntl

from chaoslab.runtime.clock import CLOCK

_POLL_S = 0.005


def flock_within(file: int, within_s: float) -> bool:
    """Lock an open file against other processes; say whether that was achieved in time."""
    deadline_mono_s = CLOCK.mono() + within_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if CLOCK.mono() >= deadline_mono_s:
                return False
            CLOCK.sleep(_POLL_S)
        else:
            return True
