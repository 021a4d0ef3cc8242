"""An objective of one phase is answered by the samples of that phase alone."""

import math

import pytest

from chaoslab.core.measures import Measured, Unknown, measure
from chaoslab.core.objective import Objective
from chaoslab.core.record import FaultTrace, Record
from chaoslab.core.samples import Sample

BAD_AT_S = {3.0, 12.0, 13.0}


def record(undone_s=20.0, count=40):
    fields = {"entry": 1, "name": "x.y", "target": "t", "role": "fault", "undo": "m:f", "ttl_s": 60.0}
    fault = FaultTrace(**fields, intended_s=9.0, injected_s=10.0, effective=True, effective_s=10.0, undone_s=undone_s)
    latency_s = {"before": 0.01, "during": 0.2, "after": 0.02}

    def sample(at_s):
        phase = "before" if at_s < 10 else "during" if at_s < 20 else "after"
        return Sample(at_s, latency_s[phase], at_s not in BAD_AT_S)

    return Record(run={}, faults=(fault,), samples={"api": tuple(sample(float(n)) for n in range(count))})


def objective(name, when):
    return Objective(name, "at_most", 1.0, "s", "api", when)


@pytest.mark.parametrize(("when", "share"), [("before", 0.9), ("during", 0.8), ("after", 1.0), (None, 28 / 30)])
def test_availability_of_a_phase(when, share):
    assert measure(record(), objective("availability", when)) == Measured(share, share)


@pytest.mark.parametrize(("when", "p50"), [("before", 0.01), ("during", 0.2), ("after", 0.02)])
def test_latency_of_a_phase(when, p50):
    assert measure(record(), objective("latency_p50", when)) == Measured(p50, p50)


def test_a_failed_request_of_the_phase_counts_as_never_answered():
    assert measure(record(), objective("latency_p99", "during")).high == math.inf
    assert measure(record(), objective("latency_p99", "after")).high == 0.02


def test_without_samples_of_the_phase_nothing_is_known():
    assert measure(record(count=15), objective("availability", "after")) == Unknown(
        "no sample was taken after the fault"
    )
    assert measure(Record(run={}, samples={"api": (Sample(1.0, 0.1, True),)}), objective("availability", "during")) == (
        Unknown("no fault was injected")
    )


def test_a_fault_that_is_not_undone_has_no_after():
    assert measure(record(undone_s=None), objective("availability", "after")) == Unknown(
        "no sample was taken after the fault"
    )


def test_it_is_written_and_read_back():
    wanted = objective("latency_p99", "during")
    assert Objective.from_json(wanted.to_json()) == wanted
    assert wanted.text == "latency_p99 of api during the fault at most 1s"
    assert "when" not in objective("latency_p99", None).to_json(), "logs of older runs are the same"
    with pytest.raises(ValueError, match="is not an objective"):
        Objective.from_json({**wanted.to_json(), "when": "sometimes"})
