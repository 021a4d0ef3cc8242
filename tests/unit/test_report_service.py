"""What the probers saw, in windows, in columns and in a strip of characters."""

import math

import pytest

from chaoslab.core.harm import Harm, harm_of
from chaoslab.core.measures import Measured, measure
from chaoslab.core.objective import Objective
from chaoslab.core.record import FaultTrace, Record
from chaoslab.core.samples import Sample
from chaoslab.report.charts import bar, legend, strip
from chaoslab.report.recovery import rto_phases
from chaoslab.report.service import prober_result


def fault(injected_s, undone_s, role="fault"):
    return FaultTrace(1, "pause", "p", role, "m:f", 60.0, 0.0, injected_s=injected_s, undone_s=undone_s)


def taken(*answers, every_s=1.0):
    return [Sample(number * every_s, abs(answer), answer > 0) for number, answer in enumerate(answers)]


@pytest.mark.parametrize(
    ("faults", "marks", "harm"),
    [
        ((), {}, None),
        ((fault(1.0, 2.0, role="scratch"),), {}, None),
        ((fault(None, 2.0),), {}, None),
        ((fault(1.0, 2.0), fault(4.0, 5.0)), {}, Harm(1.0, 5.0)),
        ((fault(1.0, None),), {}, Harm(1.0, math.inf)),
        ((), {"disaster": 3.0}, Harm(3.0, math.inf)),
        ((), {"disaster": 3.0, "restored": 5.0, "verified": 9.0}, Harm(3.0, 9.0)),
        ((fault(1.0, 2.0),), {"disaster": 3.0, "serving": 1.0}, Harm(3.0, 3.0)),
    ],
)
def test_the_harm_lasts_from_the_first_blow_to_the_last_undo(faults, marks, harm):
    assert harm_of(Record(run={}, faults=faults, marks=marks)) == harm


def test_every_sample_is_in_one_window():
    prober = prober_result("api", taken(0.1, 0.1, -1, -1, 0.2, 0.3), Harm(2.0, 4.0))
    assert [(w.name, w.start_s, w.end_s, w.count, w.good, w.max_s) for w in prober.windows] == [
        ("before", 0.0, 2.0, 2, 2, 0.1),
        ("during", 2.0, 4.0, 2, 0, None),
        ("after", 4.0, 5.0, 2, 2, 0.3),
    ]


def test_a_question_that_was_unanswered_when_the_fault_began_met_it():
    caught = [Sample(0.0, 0.1, True), Sample(1.0, 1.5, False, "503"), Sample(1.5, 0.1, True), Sample(2.5, 0.2, True)]
    before, during, after = prober_result("api", caught, Harm(2.0, 4.0)).windows
    assert [(window.count, window.good) for window in (before, during, after)] == [(2, 2), (2, 1), (0, 0)]
    run = Record(run={}, faults=(fault(2.0, 4.0),), samples={"api": caught})
    assert measure(run, Objective("availability", "at_least", 0.9, "share", when="before")) == Measured(1.0, 1.0)
    assert measure(run, Objective("availability", "at_least", 0.9, "share")) == Measured(0.5, 0.5)


def test_harm_without_an_end_has_no_afterwards():
    prober = prober_result("api", taken(0.1, -1, -1), Harm(1.0, math.inf))
    assert [(w.name, w.count, w.end_s) for w in prober.windows] == [("before", 1, 1.0), ("during", 2, 2.0)]


def test_without_harm_there_is_one_window():
    (window,) = prober_result("api", taken(0.1, -0.2, 0.3), None).windows
    assert (window.name, window.count, window.good, window.p50_s, window.p99_s) == ("whole", 3, 2, 0.1, 0.3)


def test_samples_before_and_after_all_of_the_harm():
    late = prober_result("api", taken(0.1, 0.1), Harm(-5.0, -2.0))
    assert [w.count for w in late.windows] == [0, 0, 2]
    early = prober_result("api", taken(0.1, 0.1), Harm(50.0, 60.0))
    assert [(w.count, w.start_s, w.end_s) for w in early.windows] == [(2, 0.0, 50.0), (0, 50.0, 50.0), (0, 60.0, 60.0)]


@pytest.mark.parametrize(
    ("span_s", "bucket_s"), [(0.0, 0.01), (0.5, 0.01), (30.0, 1.0), (3600.0, 120.0), (1e6, 18_000.0)]
)
def test_columns_have_a_round_width_and_all_fit(span_s, bucket_s):
    prober = prober_result("api", [Sample(span_s * n / 1000, 0.1, True) for n in range(1001)], None)
    assert prober.bucket_s == bucket_s
    assert len(prober.buckets) <= 60
    assert sum(bucket.count for bucket in prober.buckets) == 1001


def test_columns_are_no_finer_than_the_samples():
    prober = prober_result("api", [Sample(0.1 * n, 0.1, True) for n in range(20)], None)
    assert prober.bucket_s == 0.1
    assert [bucket.count for bucket in prober.buckets] == [1] * 20


def test_the_most_frequent_troubles_are_counted():
    samples = [Sample(float(n), 1.0, False, f"error {n % 12}") for n in range(30)]
    notes = prober_result("api", [*samples, Sample(99.0, 1.0, False)], None).notes
    assert len(notes) == 10
    assert notes["error 0"] == 3


def test_a_strip_shows_gaps_failures_slowness_and_the_fault():
    samples = [Sample(float(n), 0.1 * (n + 1), n not in (3, 4)) for n in range(10) if n != 6]
    samples += [Sample(5.25 + n / 4, 0.1, False) for n in range(3)]
    good, slowest, span, axis = strip(prober_result("api", sorted(samples, key=lambda s: s.at_s), None), 3.0, 4.5)
    columns = good.split()[1]
    assert len(columns) == len(slowest.split()[1])
    assert columns == "███▁▁▃·███"
    assert slowest == "slowest  ▁▂▃xx▅·▇██  █ = 1s"
    assert span == "            └┘ fault"
    assert axis.split() == ["0.0s", "10.0s"]


def test_a_strip_without_an_end_of_the_fault_goes_on_to_its_last_column():
    prober = prober_result("api", taken(0.1, 0.1, -1, -1, every_s=10.0), Harm(20.0, math.inf))
    assert strip(prober, 20.0, None)[2].endswith("─ fault")
    assert len(strip(prober, None, None)) == 3


def test_a_strip_of_one_sample_and_of_none_that_was_good():
    assert strip(prober_result("api", taken(-1.0), None), 0.0, 0.0)[:3] == [
        "good     ▁",
        "slowest  x",
        "         ^ fault",
    ]
    assert "one column is 500ms" in legend(0.5)


def test_a_bar_shows_that_there_is_something():
    assert (bar(0.0), bar(0.001), bar(0.5), bar(1.0)) == ("", "█", "█" * 10, "█" * 20)


@pytest.mark.parametrize(
    ("marks", "phases"),
    [
        ({}, []),
        ({"detected": 1.0, "verified": 2.0}, []),
        ({"disaster": 5.0}, []),
        ({"disaster": 5.0, "verified": 9.0}, [("verify", 5.0, 4.0)]),
        ({"disaster": 5.0, "fetched": 6.0, "restored": 8.0}, [("fetch", 5.0, 1.0), ("restore", 6.0, 2.0)]),
        (
            {"disaster": 5.0, "detected": 4.0, "restored": 8.0, "verified": 9.0, "serving": 12.0},
            [("restore", 5.0, 3.0), ("verify", 8.0, 1.0)],
        ),
    ],
)
def test_the_time_to_recover_is_cut_at_the_marks_on_its_way(marks, phases):
    assert [(phase.name, phase.start_s, phase.duration_s) for phase in rto_phases(marks)] == phases
