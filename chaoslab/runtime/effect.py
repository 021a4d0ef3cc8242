"""Does a fault bite? Its target is asked, again and again, until it says yes or the time for that is over."""

from collections.abc import Callable

from chaoslab.runtime.fault import Data, Fault

_POLL_S = 0.02


def await_effect(
    fault: Fault, data: Data, *, now_s: Callable[[], float], sleep: Callable[[float], None]
) -> tuple[bool, str]:
    """Wait for a fault's effect; return whether it came, and what was wrong with the last question if anything.

    Raises:
        Aborted: the run is to stop; `sleep` says so.
    """
    assert fault.effective is not None, "a fault has an effective probe"
    until_s = now_s() + fault.effective_within_s
    while True:
        detail = ""
        try:
            if fault.effective(data):
                return True, ""
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
        if now_s() >= until_s:
            return False, detail
        sleep(_POLL_S)
