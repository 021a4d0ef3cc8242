"""What the kernel counts at our own queues, and the wait for them to be empty."""

from collections.abc import Callable
from typing import Any

from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data

_COUNTED = ("packets", "drops", "overlimits", "qlen")
_POLL_S = 0.01


def counted(queues: list[dict[str, Any]], data: Data) -> dict[str, dict[str, int]] | None:
    """Return what was counted at our root and at our leaf, by what `tc -s` shows; None when they do not stand."""
    ours = {queue["handle"]: queue for queue in queues}
    ends = {"root": data["root"], "leaf": data["leaf"]}
    if not all(handle in ours for handle in ends.values()):
        return None
    return {end: {key: int(ours[handle][key]) for key in _COUNTED} for end, handle in ends.items()}


def drained(data: Data, queues: list[dict[str, Any]], look: Callable[[], list[dict[str, Any]]]) -> None:
    """Wait until our queue, into which nothing is led any more, is empty; for as long as the fault may hold a packet.

    Args:
        data: of the fault
        queues: what `tc -s` shows now
        look: shows it again
    """
    until_s = CLOCK.mono() + data["drain_s"]
    while (found := counted(queues, data)) and found["leaf"]["qlen"] and CLOCK.mono() < until_s:
        CLOCK.sleep(_POLL_S)
        queues = look()
