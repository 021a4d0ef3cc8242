"""Whatever happened, the judge never passes without evidence, and worse evidence never helps."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.core.measures import was_never_well
from chaoslab.core.objective import Objective
from chaoslab.core.record import FaultTrace, Finding, Record, StepTrace
from chaoslab.core.samples import Sample
from chaoslab.core.verdict import judge

RANK = {"passed": 0, "skipped": 0, "inconclusive": 1, "failed": 2, "interrupted": 3, "refused": 4}

seconds = st.floats(0, 1000, allow_nan=False)
objectives = st.lists(
    st.builds(
        Objective,
        name=st.sampled_from(["rto", "rpo", "recovery", "detection", "availability", "latency_p99", "unheard-of"]),
        bound=st.sampled_from(["at_most", "at_least"]),
        target=seconds,
        unit=st.just("s"),
    ),
    max_size=3,
    unique_by=lambda objective: objective.name,
).map(tuple)
steps = st.lists(
    st.builds(
        StepTrace,
        number=st.integers(1, 9),
        name=st.just("s"),
        phase=st.sampled_from(["baseline", "inject", "recover", "verify", "undo", "teardown"]),
        outcome=st.sampled_from(["ok", "ok", "ok", "failed", "deviated", "aborted", "running"]),
        start_s=seconds,
        duration_s=seconds,
    ),
    max_size=4,
).map(tuple)
faults = st.lists(
    st.builds(
        FaultTrace,
        entry=st.integers(1, 9),
        name=st.just("f"),
        target=st.just("t"),
        role=st.sampled_from(["fault", "fault", "scratch"]),
        undo=st.just("m:f"),
        ttl_s=seconds,
        intended_s=seconds,
        injected_s=st.none() | seconds,
        effective=st.sampled_from([True, True, False, None]),
        undone_s=st.none() | seconds,
    ),
    max_size=3,
).map(tuple)
findings = st.lists(
    st.builds(
        Finding,
        code=st.just("c"),
        severity=st.sampled_from(["failure", "unknown", "warning", "note"]),
        where=st.just("w"),
        message=st.just("m"),
    ),
    max_size=2,
).map(tuple)
samples = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.lists(st.builds(Sample, seconds, seconds, st.booleans()), max_size=20).map(lambda taken: tuple(sorted(taken))),
    max_size=2,
)
records = st.builds(
    Record,
    run=st.just({"id": "r"}),
    objectives=objectives,
    steps=steps,
    faults=faults,
    findings=findings,
    marks=st.dictionaries(st.sampled_from(["disaster", "detected", "verified"]), seconds),
    figures=st.just({}) | st.tuples(seconds, seconds).map(lambda p: {"lost_s": {"value": sorted(p), "unit": "s"}}),
    samples=samples,
    hypothesis=st.dictionaries(st.sampled_from(["before", "after"]), st.booleans()),
    refusals=st.just(()) | st.just((("g", "r"),)),
    interruption=st.sampled_from(["", "", "SIGINT", "the runner died"]),
    ended=st.just(True),
)


def rank(record: Record) -> int:
    return RANK[judge(record).outcome]


@given(records)
def test_a_pass_has_all_its_evidence(record):
    verdict = judge(record)
    if verdict.outcome != "passed":
        assert verdict.reasons
        return
    assert record.hypothesis["before"] is True
    assert record.hypothesis.get("after", True) is True
    assert record.objectives or "after" in record.hypothesis
    assert all(judged.answer == "met" for judged in verdict.objectives)
    assert all(fault.effective for fault in record.injected)
    assert all(step.outcome == "ok" for step in record.steps)
    assert not any(finding.severity in {"failure", "unknown"} for finding in record.findings)


@given(records)
def test_only_a_clean_pass_exits_with_zero(record):
    verdict = judge(record)
    assert (verdict.exit_code == 0) == (verdict.outcome == "passed" and not record.residue)
    assert (verdict.exit_code == 13) == bool(record.residue)


@given(records)
def test_a_service_objective_is_never_met_on_zero_samples(record):
    for judged in judge(replace(record, samples={})).objectives:
        if judged.objective.name in {"availability", "recovery", "latency_p99"}:
            assert judged.answer == "unknown"


@given(records, st.data())
def test_evidence_taken_away_never_makes_a_pass(record, data):
    poorer = [
        replace(record, samples={}),
        replace(record, figures={}),
        replace(record, hypothesis={}),
        replace(record, faults=tuple(replace(fault, effective=None) for fault in record.faults)),
    ]
    if judge(record).outcome != "passed":
        assert judge(data.draw(st.sampled_from(poorer))).outcome != "passed"


@given(records, st.data())
def test_worse_evidence_never_improves_the_outcome(record, data):
    worse = [
        replace(record, findings=(*record.findings, Finding("c", "failure", "w", "m"))),
        replace(record, findings=(*record.findings, Finding("c", "unknown", "w", "m"))),
        replace(record, steps=(*record.steps, StepTrace(99, "s", "recover", "failed", 1.0, 1.0))),
        replace(record, objectives=(*record.objectives, Objective("unheard-of", "at_most", 1.0, "s"))),
        replace(record, hypothesis={**record.hypothesis, "after": False}),
        replace(record, interruption="SIGTERM"),
    ]
    assert rank(data.draw(st.sampled_from(worse))) >= rank(record)


@given(records, st.sampled_from(["a", "b"]), st.integers(0, 19))
def test_a_good_sample_turned_bad_never_improves_the_outcome(record, name, index):
    taken = record.samples.get(name, ())
    at_least = tuple(o for o in record.objectives if o.bound == "at_least" and o.name == "availability")
    at_most = tuple(o for o in record.objectives if o.bound == "at_most" and o.name in {"recovery", "latency_p99"})
    judged = replace(record, objectives=at_least + at_most)
    if index < len(taken):
        bad = (*taken[:index], taken[index]._replace(good=False), *taken[index + 1 :])
        worse = replace(judged, samples={**record.samples, name: bad})
        # Who had no good answer before the fault either says nothing about it.
        assert rank(worse) >= rank(judged) or was_never_well(worse, name)


@given(records)
def test_judging_twice_says_the_same(record):
    assert judge(record) == judge(record)
