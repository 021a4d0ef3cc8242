"""The judge on the cases that people argue about."""

import math

import pytest

from chaoslab.core.measures import Measured, Unknown, measure
from chaoslab.core.objective import Objective
from chaoslab.core.record import FaultTrace, Finding, PartTrace, Record, StepTrace, record_of
from chaoslab.core.samples import Sample, Stall
from chaoslab.core.verdict import judge, judge_objective

RTO = Objective("rto", "at_most", 7200.0, "s")
RPO = Objective("rpo", "at_most", 900.0, "s")
AVAILABILITY = Objective("availability", "at_least", 0.95, "share")
RECOVERY = Objective("recovery", "at_most", 5.0, "s")
P99 = Objective("latency_p99", "at_most", 0.5, "s")


def fault(**changes):
    fields = {"entry": 1, "name": "process.pause", "target": "process 7", "role": "fault", "undo": "m:f", "ttl_s": 60.0}
    fields |= {"intended_s": 9.9, "injected_s": 10.0, "effective": True, "effective_s": 10.1, "undone_s": 20.0}
    return FaultTrace(**(fields | {"undone_by": "run"} | changes))


def step(name="restore", phase="recover", outcome="ok", **changes):
    fields = {"number": 1, "name": name, "phase": phase, "outcome": outcome, "start_s": 1.0, "duration_s": 1.0}
    return StepTrace(**(fields | changes))


def record(**changes):
    fields = {"run": {"id": "r"}, "steps": (step(),), "hypothesis": {"before": True, "after": True}, "ended": True}
    return Record(**(fields | changes))


def drill(**changes):
    fields = {
        "objectives": (RTO, RPO),
        "marks": {"disaster": 10.0, "verified": 130.0},
        "figures": {"lost_s": {"value": [0.0, 30.0], "unit": "s"}},
    }
    return record(**(fields | changes))


def examined(count):
    """The figures of an exercise that only looks at evidence."""
    return {"lost_s": {"value": [0.0, 30.0], "unit": "s"}, "examined": {"value": count, "unit": "files"}}


def samples(*bad_s, until_s=30, every_s=1.0):
    count = int(until_s / every_s)
    return tuple(Sample(n * every_s, 0.01, n * every_s not in bad_s) for n in range(count))


def experiment(*bad_s, objectives=(AVAILABILITY, RECOVERY), **changes):
    fields = {"objectives": objectives, "faults": (fault(),), "samples": {"service": samples(*bad_s)}}
    return record(**(fields | changes))


@pytest.mark.parametrize("by", ["reaper", "undo"])
def test_a_fault_that_somebody_else_ended_while_the_run_went_on_proves_nothing(by):
    cut_short = experiment(faults=(fault(undone_by=by, undone_s=11.0),), duration_s=30.0)
    verdict = judge(cut_short)
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 11)
    assert "was on for 1s only" in verdict.reasons[0]


def test_a_prober_that_was_never_well_says_nothing_about_the_fault():
    verdict = judge(experiment(*range(30)))
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 11)
    assert "no good answer before the fault either" in verdict.reasons[0]
    assert judge(experiment(*range(1, 30))).outcome == "failed"
    before = Objective("availability", "at_least", 0.95, "share", when="before")
    assert judge(experiment(*range(30), objectives=(before,))).outcome == "failed"


@pytest.mark.parametrize("objective", [AVAILABILITY, RECOVERY, P99])
def test_a_fault_that_was_over_before_anybody_asked_proves_nothing(objective):
    brief = {"injected_s": 10.5, "undone_s": 10.7}
    verdict = judge(experiment(objectives=(objective,), faults=(fault(**brief),)))
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 11)
    assert "none was asked while it was on" in verdict.reasons[0]
    assert judge(experiment(objectives=(objective,), faults=(fault(**brief, undone_by="itself"),))).outcome == "passed"


def test_what_was_undone_after_the_run_changes_no_verdict():
    late = experiment(objectives=(AVAILABILITY,), faults=(fault(undone_by="undo", undone_s=99.0),), duration_s=30.0)
    assert judge(late).outcome == "passed"


def test_a_drill_whose_objectives_are_met_passes():
    verdict = judge(drill())
    assert (verdict.outcome, verdict.exit_code, verdict.reasons) == ("passed", 0, ())
    assert verdict.objectives[0].actual == Measured(0.0, 120.0)


@pytest.mark.parametrize(
    ("changes", "outcome", "code", "reason"),
    [
        ({"marks": {"disaster": 10.0}}, "inconclusive", 11, "never verified"),
        ({"marks": {"verified": 130.0}}, "inconclusive", 11, "no disaster was marked"),
        ({"marks": {"disaster": 10.0, "verified": 9.0}}, "inconclusive", 11, "before the disaster"),
        ({"figures": {}}, "inconclusive", 11, "nothing measured what was lost"),
        ({"marks": {"disaster": 10.0, "verified": 10_000.0}}, "failed", 10, "rto is missed"),
        ({"figures": {"lost_s": {"value": [5.0, None], "unit": "s"}}}, "failed", 10, "rpo is missed"),
        ({"hypothesis": {"before": False}}, "inconclusive", 11, "not met before the fault"),
        ({"hypothesis": {}}, "inconclusive", 11, "not checked before"),
        ({"hypothesis": {"before": True, "after": False}}, "failed", 10, "not met after"),
        ({"steps": (step(outcome="failed", error="boom"),)}, "failed", 10, "step restore failed: boom"),
        ({"steps": (step(), step(phase="baseline", outcome="failed"))}, "inconclusive", 11, "step restore failed"),
        ({"findings": (Finding("row-count-differs", "failure", "t", "9 of 10"),)}, "failed", 10, "row-count-differs"),
        ({"findings": (Finding("age", "unknown", "t", "cannot tell"),)}, "inconclusive", 11, "cannot tell"),
        ({"findings": (Finding("age", "note", "t", "fine"),)}, "passed", 0, ""),
        ({"refusals": (("free-disk", "1 GiB needed"),)}, "refused", 12, "free-disk: 1 GiB needed"),
        ({"skipped": "not the first Monday"}, "skipped", 0, "not the first Monday"),
        ({"interruption": "SIGINT"}, "interrupted", 130, "SIGINT"),
        ({"interruption": "SIGTERM"}, "interrupted", 143, "SIGTERM"),
        ({"interruption": "the runner died"}, "interrupted", 137, "the runner died"),
        ({"interruption": "tripwire errors"}, "failed", 10, "tripwire errors ended the run"),
        ({"faults": (fault(undone_s=None),)}, "passed", 13, "was not undone"),
        ({"faults": (fault(effective=None),)}, "inconclusive", 11, "did not bite"),
        ({"parts": (PartTrace("a", "ok"), PartTrace("b", "failed"))}, "failed", 10, "1 of 2 failed: b"),
        ({"parts": (PartTrace("a", "ok"), PartTrace("b", "unknown"))}, "inconclusive", 11, "1 of 2 unknown: b"),
        ({"parts": (PartTrace("a", "ok"),)}, "passed", 0, ""),
        ({"objectives": (), "hypothesis": {"before": True}}, "inconclusive", 11, "nothing was asserted"),
        ({"steps": (), "objectives": ()}, "inconclusive", 11, "nothing was tried"),
        ({"steps": (step(phase="verify"),), "objectives": ()}, "inconclusive", 11, "nothing was tried"),
        ({"steps": (step(phase="verify"),), "figures": examined(0)}, "inconclusive", 11, "nothing was examined"),
        ({"steps": (), "figures": examined(9)}, "inconclusive", 11, "nothing was examined"),
    ],
)
def test_what_each_piece_of_evidence_does(changes, outcome, code, reason):
    verdict = judge(drill(**changes))
    assert (verdict.outcome, verdict.exit_code) == (outcome, code)
    assert reason in " | ".join(verdict.reasons)


def test_an_exercise_that_only_looks_passes_on_what_it_has_really_seen():
    looked = {"steps": (step(phase="verify"),), "figures": examined(9), "marks": {}, "objectives": (RPO,)}
    assert judge(drill(**looked)).outcome == "passed"
    blind = looked | {"steps": (step(phase="verify", outcome="running"),)}
    assert judge(drill(**blind)).outcome == "inconclusive"


def test_an_unmet_baseline_is_no_failure_of_the_system_under_the_fault():
    bad = drill(hypothesis={"before": False}, findings=(Finding("x", "failure", "t", "m"),))
    assert judge(bad).outcome == "inconclusive"


def test_the_low_end_of_rto_is_the_last_moment_it_was_seen_down():
    watched = drill(
        samples={"restored": (Sample(20.0, 0.1, False), Sample(110.0, 0.1, False), Sample(125.0, 0.1, True))}
    )
    assert measure(watched, RTO) == Measured(100.0, 120.0)


def test_availability_counts_from_the_fault_on():
    assert measure(experiment(5.0, 12.0), AVAILABILITY) == Measured(0.95, 0.95)
    assert judge(experiment(5.0, 12.0)).outcome == "passed"
    assert judge(experiment(12.0, 13.0)).outcome == "failed"


def test_recovery_lies_between_the_last_bad_and_the_first_good_sample():
    between = measure(experiment(11.0, 19.0, 21.0), RECOVERY)
    assert (between.low, between.high) == (1.0, pytest.approx(2.01))
    assert measure(experiment(11.0), RECOVERY) == Measured(0.0, 0.0)
    assert measure(experiment(), RECOVERY) == Measured(0.0, 0.0)


def test_an_undo_that_takes_its_time_makes_nobody_look_faster():
    """The fault ended somewhere in it: the service that was well again before its end may have taken all of it."""
    found = measure(experiment(19.0, 21.0, faults=(fault(undo_took_s=2.0),)), RECOVERY)
    assert (found.low, found.high) == (1.0, pytest.approx(4.01))


def test_a_service_that_never_comes_back_has_no_upper_bound():
    verdict = judge(experiment(*range(11, 30), objectives=(RECOVERY,)))
    assert verdict.objectives[0].actual == Measured(9.0, math.inf)
    assert verdict.outcome == "failed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"samples": {}}, "took no sample"),
        ({"samples": {"service": samples(until_s=15)}}, "no sample was taken after the fault"),
        ({"faults": ()}, "no fault was injected"),
        ({"samples": {"a": samples(), "b": samples()}}, "does not say which prober"),
    ],
)
def test_no_samples_no_recovery(changes, reason):
    actual = measure(experiment(**changes), RECOVERY)
    assert isinstance(actual, Unknown)
    assert reason in actual.reason


def test_an_objective_names_its_prober():
    two = experiment(samples={"a": samples(), "b": samples(12.0)})
    assert measure(two, Objective("availability", "at_least", 1.0, "share", "a")) == Measured(1.0, 1.0)
    assert measure(two, Objective("availability", "at_least", 1.0, "share", "b")) == Measured(0.95, 0.95)


def test_a_failed_request_is_never_a_fast_one():
    taken = samples(until_s=200) + (Sample(200.0, 0.001, False),) * 3
    assert measure(experiment(samples={"service": taken}), P99) == Measured(0.01, math.inf)


def test_detection_needs_a_detector():
    detection = Objective("detection", "at_most", 300.0, "s")
    assert isinstance(measure(drill(), detection), Unknown)
    assert measure(drill(marks={"disaster": 10.0, "detected": 12.5}), detection) == Measured(2.5, 2.5)
    assert isinstance(measure(drill(marks={"disaster": 10.0, "detected": 1.0}), detection), Unknown)
    assert measure(experiment(marks={"detected": 11.0}), detection) == Measured(1.0, 1.0)
    assert isinstance(measure(record(), detection), Unknown)


def test_an_objective_that_nothing_measures_is_unknown():
    assert judge_objective(record(), Objective("beauty", "at_most", 1.0, "s")).answer == "unknown"


def test_bounds_that_straddle_the_objective_do_not_meet_it():
    judged = judge_objective(drill(figures={"lost_s": {"value": [0, 1000], "unit": "s"}}), RPO)
    assert judged.answer == "missed"
    assert "reach beyond" in judged.reason


def event(kind, mono_s=0.0, **fields):
    return {"seq": 1, "at": "2026-01-01T00:00:00Z", "mono_s": mono_s, "kind": kind, **fields}


def test_a_log_that_breaks_off_is_a_run_that_died():
    told = record_of(
        [
            event(
                "run-started",
                run={"id": "r"},
                objectives=[{"name": "rto", "bound": "at_most", "target": 1.0, "unit": "s"}],
            ),
            event("step-started", 1.0, step=1, name="restore", phase="recover"),
            event("something-newer", 2.0),
            event("fault-undone", 2.0, entry=9, by="run"),
            event("step-ended", 2.0, step=9, outcome="ok", duration_s=1.0),
        ]
    )
    assert told.interruption == "the runner died"
    assert [s.outcome for s in told.steps] == ["running"]
    assert told.objectives[0].of is None
    assert told.duration_s == 2.0


def test_a_steady_state_once_broken_stays_broken():
    events = [
        event("run-started", run={}),
        event("hypothesis", when="after", met=False),
        event("hypothesis", when="after", met=True),
    ]
    assert record_of(events).hypothesis == {"after": False}


def test_a_log_without_its_first_event_is_nobodys():
    with pytest.raises(ValueError, match="no first event"):
        record_of([event("mark", name="x")])


def test_what_only_the_probers_own_stall_made_slow_is_unknown_and_not_missed():
    taken = tuple(s._replace(latency_s=0.7) if s.at_s in (12.0, 13.0) else s for s in samples())
    stall = Stall(11.99, 12.69)
    missed = judge(experiment(objectives=(P99,), samples={"service": taken}))
    assert (missed.outcome, missed.objectives[0].in_doubt) == ("failed", False)
    one_of_two = judge(experiment(objectives=(P99,), samples={"service": taken}, stalls={"service": (stall,)}))
    assert one_of_two.outcome == "failed", "the other slow answer has no such excuse"
    both = (stall, Stall(13.0, 13.68))
    [judged] = judge(experiment(objectives=(P99,), samples={"service": taken}, stalls={"service": both})).objectives
    assert (judged.answer, judged.in_doubt) == ("unknown", True)
    assert judged.actual.low < 0.5 < judged.actual.high == 0.7
    assert judged.reason.startswith("prober-stalled: ")
    assert "stood still for 1.4s in all, at the longest for 700ms at 12.0s" in judged.reason


def test_a_question_that_was_not_given_its_time_is_no_bad_answer():
    available = Objective("availability", "at_least", 1.0, "share")
    for note, length_s, outcome in (
        ("not sent: the prober was held up of GET /", 0.2, "inconclusive"),
        ("not sent: the prober was held up", 0.0, "failed"),
        ("timeout", 0.2, "inconclusive"),
        ("timeout", 0.05, "failed"),
        ("503", 0.9, "failed"),
    ):
        taken = tuple(s._replace(good=False, note=note, latency_s=1.0) if s.at_s == 12.0 else s for s in samples())
        stalls = {"service": (Stall(12.1, 12.1 + length_s),)} if length_s else {}
        run = experiment(objectives=(available,), samples={"service": taken}, stalls=stalls)
        assert judge(run).outcome == outcome, note


def test_a_tripwire_over_which_the_prober_itself_stumbled_blames_nobody():
    tripped = {"interruption": "tripwire api", "objectives": (), "hypothesis": {"before": True}}
    for severity, outcome in (("failure", "failed"), ("unknown", "inconclusive")):
        verdict = judge(experiment(findings=(Finding("tripwire", severity, "api", "it was bad"),), **tripped))
        assert verdict.outcome == outcome
        assert "tripwire api ended the run" in verdict.reasons
