"""Charts of text: one character a column, so that a ticket, a mail and a terminal show them alike."""

import math

from chaoslab.core.histogram import HOW_EXACT
from chaoslab.core.units import format_duration
from chaoslab.report.model import Bucket, ProberResult

_LEVELS = "▁▂▃▄▅▆▇█"
_NO_SAMPLE = "·"
_FAILED = "x"
_BAR_WIDTH = 20


def bar(share: float) -> str:
    """Return a horizontal bar for a share from 0 to 1; more than nothing is always seen."""
    return "█" * max(1 if share > 0 else 0, round(share * _BAR_WIDTH))


def strip(prober: ProberResult, begin_s: float | None, end_s: float | None, *, harm: str = "fault") -> list[str]:
    """Draw what a prober saw over time: the share of good answers, the slowest good answer, and when the harm was.

    Args:
        prober: its samples, in columns.
        begin_s: when the harm began, in seconds of the run; None: there was none.
        end_s: when it was over; None: not within the run.
        harm: what to call it.
    """
    start_s = prober.windows[0].start_s
    slowest_s = max((bucket.max_s for bucket in prober.buckets if bucket.max_s is not None), default=0.0)
    scale = f"  █ = {format_duration(slowest_s)}" if slowest_s > 0 else ""
    stop_s = start_s + len(prober.buckets) * prober.bucket_s
    lines = [
        f"good     {''.join(_availability(bucket) for bucket in prober.buckets)}",
        f"slowest  {''.join(_latency(bucket, slowest_s) for bucket in prober.buckets)}{scale}",
    ]
    if begin_s is not None:
        lines.append(f"         {_span(prober, start_s, begin_s, end_s)} {harm}")
    axis = f"{start_s:.1f}s"
    end = f"{stop_s:.1f}s"
    lines.append(f"         {axis}{end.rjust(max(len(end) + 1, len(prober.buckets) - len(axis)))}")
    return lines


def legend(bucket_s: float) -> str:
    """Explain the characters of a strip."""
    width = format_duration(bucket_s)
    return f"one column is {width}; █ all good, ▁ none, {_NO_SAMPLE} no sample; {_FAILED} no good answer; {HOW_EXACT}"


def _availability(bucket: Bucket) -> str:
    if bucket.count == 0:
        return _NO_SAMPLE
    if bucket.good in (0, bucket.count):
        return _LEVELS[-1 if bucket.good else 0]
    return _LEVELS[1 + math.floor(bucket.good / bucket.count * 6)]


def _latency(bucket: Bucket, slowest_s: float) -> str:
    if bucket.max_s is None:
        return _FAILED if bucket.count else _NO_SAMPLE
    share = bucket.max_s / slowest_s if slowest_s > 0 else 0.0
    return _LEVELS[min(len(_LEVELS) - 1, max(0, math.ceil(share * len(_LEVELS)) - 1))]


def _span(prober: ProberResult, start_s: float, begin_s: float, end_s: float | None) -> str:
    last = len(prober.buckets) - 1

    def column(at_s: float) -> int:
        return min(last, max(0, int((at_s - start_s) / prober.bucket_s)))

    first, until = column(begin_s), last if end_s is None else column(end_s)
    width = until - first + 1
    drawn = "^" if width == 1 else "└" + "─" * (width - 2) + ("─" if end_s is None else "┘")
    return " " * first + drawn
