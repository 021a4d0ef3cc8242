"""Percentiles lie within their promised error, columns keep every sample, and a stall of the prober only opens."""

import math
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.core.histogram import ERROR, LEAST, Histogram
from chaoslab.core.objective import Objective
from chaoslab.core.record import FaultTrace, Record
from chaoslab.core.samples import Sample, Samples, Stall
from chaoslab.core.stalls import HELD_UP, Stalls, at_best
from chaoslab.core.verdict import judge

latencies = st.floats(0, 1e5) | st.just(math.inf) | st.sampled_from([0.001 * 1.005**n for n in range(2000)])
percents = st.floats(0, 100) | st.sampled_from([50, 95, 99, 99.9, 100])
instants = st.floats(0, 100)
notes = st.sampled_from(["", "503", "timeout", "timeout of GET /", HELD_UP, "refused"])
taken = st.lists(st.builds(Sample, instants, st.floats(0, 10), st.booleans(), notes), max_size=30)
stretches = st.lists(st.tuples(instants, st.floats(0, 5)).map(lambda s: Stall(s[0], s[0] + s[1])), max_size=8)
objectives = st.lists(
    st.sampled_from(
        [
            Objective("availability", "at_least", 0.9, "share"),
            Objective("latency_p99", "at_most", 1.0, "s"),
            Objective("recovery", "at_most", 2.0, "s"),
        ]
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda objective: objective.name,
).map(tuple)
FAULT = FaultTrace(1, "f", "t", "fault", "m:f", 60.0, 1.0, injected_s=10.0, effective=True, undone_s=50.0)


@given(st.lists(latencies, min_size=1, max_size=200), percents)
def test_a_percentile_lies_within_its_bounds_and_these_within_the_error(values, percent):
    exact = sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
    low, high = Histogram(values).percentile(percent)
    assert low <= exact <= high
    assert {low, high} <= set(values), "the bounds occurred"
    assert high == low or high <= LEAST or high - low <= ERROR * low * (1 + 1e-9)


@given(st.lists(st.lists(latencies, max_size=50), max_size=6), percents)
def test_the_histogram_of_all_is_the_sum_of_those_of_its_parts(parts, percent):
    merged = Histogram()
    for part in parts:
        merged.merge(Histogram(part))
    whole = Histogram(value for part in parts for value in part)
    assert (merged.count, merged.cells) == (whole.count, whole.cells)
    if whole.count:
        assert merged.percentile(percent) == whole.percentile(percent)


@given(st.lists(st.floats(1e-6, 3600), max_size=300))
def test_a_histogram_takes_no_more_room_than_its_range_has_cells(values):
    assert Histogram(values).cells <= math.log(3600 / 1e-6) / math.log(1 + ERROR) + 2


@given(taken, instants, instants)
def test_columns_hold_all_samples_in_the_order_of_their_questions(samples, begin_s, end_s):
    columns = Samples(samples)
    assert sorted(columns) == sorted(samples)
    assert [sample.at_s for sample in columns] == sorted(sample.at_s for sample in samples)
    within = columns.between(begin_s, end_s)
    assert sorted(within) == sorted(sample for sample in samples if begin_s <= sample.at_s < end_s)
    assert [columns[place] for place in range(len(columns))] == list(columns)
    assert columns[2:9] == list(columns)[2:9]


@given(stretches, instants, st.floats(0, 20))
def test_the_time_stood_still_in_a_while_is_the_sum_of_what_overlaps(stalls, begin_s, length_s):
    end_s = begin_s + length_s
    edges = sorted({begin_s, end_s, *(edge for stall in stalls for edge in stall)})
    stood = math.fsum(
        late - early
        for early, late in pairwise(edges)
        if begin_s <= early < end_s and any(stall.begin_s <= early and late <= stall.end_s for stall in stalls)
    )
    assert math.isclose(Stalls(stalls).within(begin_s, end_s), stood, abs_tol=1e-9)


@given(taken, stretches)
def test_at_best_a_sample_is_no_slower_and_no_worse(samples, stretch):
    stalls = Stalls(stretch)
    for sample in samples:
        best = at_best(sample, stalls)
        assert 0 <= best.latency_s <= sample.latency_s
        assert best.at_s == sample.at_s
        assert best.good >= sample.good
        if sample.note in {"503", "refused"}:
            assert best.good == sample.good, "an answer that was bad stays bad"
        if not stretch and sample.note != HELD_UP:
            assert best.good == sample.good
            assert best.latency_s == sample.latency_s


@given(taken, stretches, objectives)
def test_a_prober_that_stood_still_never_makes_a_pass_and_never_a_failure(samples, stretch, wanted):
    """It opens what was missed, at the most; what was met stays met, what was unknown stays unknown."""
    run = Record(
        run={"id": "r"},
        objectives=wanted,
        faults=(FAULT,),
        samples={"api": Samples(samples)},
        hypothesis={"before": True, "after": True},
        ended=True,
    )
    before, after = judge(run), judge(replace(run, stalls={"api": tuple(stretch)}))
    for one, other in zip(before.objectives, after.objectives, strict=True):
        assert other.answer == one.answer or (one.answer, other.answer) == ("missed", "unknown")
        assert other.in_doubt == (one.answer != other.answer)
    assert after.outcome == before.outcome or (before.outcome, after.outcome) == ("failed", "inconclusive")
