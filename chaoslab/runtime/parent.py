"""End with the process that started us, however it ends."""

import ctypes
import os
import signal

from chaoslab.core.errors import ChaoslabError

_PR_SET_PDEATHSIG = 1


def end_with(parent: int, number: signal.Signals) -> None:
    """Have the kernel send us a signal when our parent ends; it may have ended before we could say so.

    Args:
        parent: the pid of the process that started us
        number: the signal

    Raises:
        ChaoslabError: the kernel does not let us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise ChaoslabError(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
