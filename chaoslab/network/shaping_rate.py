"""What HTB is told for a limited rate, checked and written as `tc` wants it. Pure."""

from dataclasses import dataclass

from chaoslab.core.errors import BadUsage
from chaoslab.core.units import format_size
from chaoslab.runtime.arguments import seconds_up_to, size_bytes

_LEAST_RATE, _MOST_RATE = 1024, 10 * 2**30
_LEAST_BURST = 16 * 1024
_BURST_S = 0.05
_LONGEST_QUEUE_S = 60.0
_PACKETS_QUEUED = 4
"""So many of the largest packets the queue must hold, or none would ever pass."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limited rate."""

    rate_bytes: int
    """A second."""
    burst_bytes: int
    queue_s: float
    counter: str = "held back"
    at_least: int = 1

    @property
    def told(self) -> str:
        """The fault for people."""
        return f"at most {format_size(self.rate_bytes)}/s"

    @property
    def class_words(self) -> str:
        """The parameters of HTB's class; `bps` are bytes a second there."""
        rate, burst = f"{self.rate_bytes}bps", f"{self.burst_bytes}b"
        return f"rate {rate} ceil {rate} burst {burst} cburst {burst} quantum 200000"

    def leaf_words(self, mtu: int) -> str:
        """Return the queue of those that wait."""
        return f"bfifo limit {max(int(self.rate_bytes * self.queue_s), _PACKETS_QUEUED * mtu, _LEAST_BURST)}"


def rate_of(*, rate: str, burst: str, queue: str) -> Rate:
    """Read a rate.

    Raises:
        BadUsage: an argument makes no sense.
    """
    rate_bytes, queue_s = size_bytes("rate", rate), seconds_up_to("queue", queue, most_s=_LONGEST_QUEUE_S)
    if not _LEAST_RATE <= rate_bytes <= _MOST_RATE:
        raise BadUsage("rate: must be from 1KiB to 10GiB a second; to let nothing pass, block the port")
    burst_bytes = size_bytes("burst", burst) if burst else max(int(rate_bytes * _BURST_S), _LEAST_BURST)
    if not 0 < burst_bytes <= 2**30:
        raise BadUsage("burst: must be above zero and at most 1GiB")
    return Rate(rate_bytes, burst_bytes, queue_s)
