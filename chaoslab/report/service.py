"""What the probers saw: counts, failures, latencies before, during and after the fault; and the columns of a chart."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from chaoslab.core.harm import Harm, phases_of
from chaoslab.core.histogram import ERROR, Histogram
from chaoslab.core.samples import Sample, Samples, Stall
from chaoslab.report.model import Bucket, ProberResult, Window

_COLUMNS = 60
_WIDTHS_S = (
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
)
_EDGE = 1e-3
"""Of a column: a sample due at the edge of one belongs to it, though its float may lie just before."""
_JITTER = 0.9
"""A sample every 100.2 ms fits columns of 100 ms well enough."""
_NOTES = 10


def prober_result(
    name: str, samples: Sequence[Sample], harm: Harm | None, stalls: Sequence[Stall] = ()
) -> ProberResult:
    """Sum up the samples of one prober, of which there is at least one, and its own stalls."""
    taken = Samples.of(samples)
    bad = Samples(sample for sample in taken if not sample.good)
    bucket_s = _width_s(taken)
    return ProberResult(
        name=name,
        count=len(taken),
        good=len(taken) - len(bad),
        first_bad_s=bad[0].at_s if bad else None,
        last_bad_s=bad[-1].at_s if bad else None,
        notes=dict(Counter(sample.note or "no note" for sample in bad).most_common(_NOTES)),
        windows=_windows(taken, harm),
        bucket_s=bucket_s,
        buckets=_buckets(taken, bucket_s),
        stalled_s=round(math.fsum(stall.length_s for stall in stalls), 6),
        longest_stall_s=round(max((stall.length_s for stall in stalls), default=0.0), 6),
        percentile_error=round(ERROR, 6),
    )


def _windows(taken: Samples, harm: Harm | None) -> list[Window]:
    first_s, last_s = taken[0].at_s, taken[-1].at_s
    if harm is None:
        return [_window("whole", taken, first_s, last_s)]
    before, during, after = phases_of(harm, taken).values()
    end_s = min(harm.end_s, max(last_s, harm.begin_s))
    return [
        _window("before", before, min(first_s, harm.begin_s), harm.begin_s),
        _window("during", during, harm.begin_s, end_s),
        *([_window("after", after, harm.end_s, max(last_s, harm.end_s))] if math.isfinite(harm.end_s) else []),
    ]


def _window(
    name: Literal["before", "during", "after", "whole"], taken: Sequence[Sample], start_s: float, end_s: float
) -> Window:
    latencies = Histogram(sample.latency_s for sample in taken if sample.good)
    p50_s, p95_s, p99_s, max_s = (latencies.percentile(p)[1] if latencies.count else None for p in (50, 95, 99, 100))
    return Window(
        name=name,
        start_s=start_s,
        end_s=end_s,
        count=len(taken),
        good=latencies.count,
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        max_s=max_s,
    )


def _width_s(taken: Samples) -> float:
    """Return the width of a column, a round one, so that all fit and most hold a sample."""
    gaps_s = Histogram(late.at_s - early.at_s for early, late in pairwise(taken))
    usual_gap_s = gaps_s.percentile(50)[0] * _JITTER if gaps_s.count else 0.0
    needed_s = max((taken[-1].at_s - taken[0].at_s) / (_COLUMNS - 1), usual_gap_s)
    return next((width_s for width_s in _WIDTHS_S if width_s >= needed_s), math.ceil(needed_s / 3600) * 3600.0)


def _buckets(taken: Samples, bucket_s: float) -> list[Bucket]:
    start_s = taken[0].at_s
    columns = [_Column() for _ in range(int((taken[-1].at_s - start_s) / bucket_s + _EDGE) + 1)]
    for sample in taken:
        columns[int((sample.at_s - start_s) / bucket_s + _EDGE)].take(sample)
    return [Bucket(count=column.count, good=column.good, max_s=column.max_s) for column in columns]


class _Column:
    """What one bucket is made of."""

    def __init__(self) -> None:
        self.count = self.good = 0
        self.max_s: float | None = None

    def take(self, sample: Sample) -> None:
        self.count += 1
        if sample.good:
            self.good += 1
            self.max_s = sample.latency_s if self.max_s is None else max(self.max_s, sample.latency_s)
