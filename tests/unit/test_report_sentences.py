"""One sentence says what was tried, what came out and why."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from report_story import AVAILABILITY, RECOVERY, RPO, RTO, Story, drill, experiment

from chaoslab.report.model import Figure, Interval, ObjectiveResult
from chaoslab.report.sentences import headline_word, verdict_sentence
from chaoslab.report.wall import instant_text, time_of_day
from chaoslab.report.wording import amount_text, clip, count_text, figure_text, interval_text, margin_text, target_text
from chaoslab.report.write import report_of


def sentence(story):
    return verdict_sentence(report_of(story.end()))


def test_a_pass_names_the_figures(tmp_path):
    assert sentence(drill(tmp_path)) == (
        "The drill “Restore the shop” passed: rto up to 10s (promised ≤ 2h), rpo 200ms to 1.4s (promised ≤ 15m); "
        "the steady state held afterwards."
    )


def test_an_experiment_without_objectives_passes_by_its_steady_state(tmp_path):
    story = Story(tmp_path).begin(kind="experiment").healthy().intend().bite().undone().healthy("after")
    assert sentence(story) == (
        "The experiment “Restore the shop” (process.pause on process 4711 (service)) passed: "
        "the steady state held afterwards."
    )


def test_a_failure_names_what_was_missed_and_what_was_found(tmp_path):
    story = drill(tmp_path, loss_s=(1000.0, 1200.0)).finding().finding("policy-missing", where="shop.orders")
    assert sentence(story) == (
        "The drill “Restore the shop” failed: rpo 16m 40s to 20m 00s (promised ≤ 15m); "
        "2 findings: 1 row-count-differs, 1 policy-missing."
    )


def test_findings_of_one_code_are_told_by_the_first(tmp_path):
    story = drill(tmp_path / "one").finding()
    assert sentence(story).endswith("failed: row-count-differs at shop.orders: rows are missing after the restore.")
    story = drill(tmp_path / "two").finding(where="").finding(where="shop.items")
    assert sentence(story).endswith("failed: 2 times row-count-differs, first: rows are missing after the restore.")


def test_what_never_came_to_an_end_says_so(tmp_path):
    story = Story(tmp_path).begin(RECOVERY).healthy().intend().bite().undone().after(5).sampled((0, 5, False, 1.0))
    assert "failed: recovery of api 4.8s or more (promised ≤ 5s)." in sentence(story)


def test_a_step_that_failed_is_the_reason_when_there_is_no_better(tmp_path):
    story = drill(tmp_path).step("ask the service", "verify", 1.0, "failed", "HTTP 500\nTraceback")
    assert sentence(story).endswith("failed: step ask the service failed: HTTP 500 Traceback.")


def test_missing_evidence_is_named(tmp_path):
    story = Story(tmp_path).begin(AVAILABILITY).healthy().intend().bite().undone()
    assert sentence(story).endswith(
        "is inconclusive, evidence is missing: objective availability is unknown: "
        "prober api took no sample after the fault began."
    )


def test_a_refusal_names_the_guard(tmp_path):
    story = Story(tmp_path).begin().say("refused", guard="lock", reason="another run holds it.")
    assert sentence(story) == (
        "The drill “Restore the shop” was refused by lock: another run holds it. Nothing was touched."
    )


def test_a_killed_run_does_not_claim_more_than_the_log_says(tmp_path):
    story = Story(tmp_path).begin(RTO).healthy().intend(1, role="scratch").intend(2).bite(2).undone(1, by="reaper")
    story.say("step-started", step=9, name="restore", phase="recover").after(3).undone(2, by="reaper").log.close()
    assert verdict_sentence(report_of(tmp_path)) == (
        "The drill “Restore the shop” (process.pause on process 4711 (service)) was cut off after 3.1s, "
        "in step “restore”: its runner died, or is still at work. Everything it had touched was undone."
    )


def test_residue_is_named_first_and_counted(tmp_path):
    story = Story(tmp_path).begin(RTO).healthy()
    for number in range(1, 4):
        story.intend(number, f"fault.{number}", "t")
    story.intend(4, "scratch", "s", "scratch").undone(4).say("interrupted", reason="SIGTERM")
    report = report_of(story.end())
    assert headline_word(report) == "INTERRUPTED, RESIDUE"
    assert verdict_sentence(report) == (
        "fault.1 on t, fault.2 on t and 1 more were NOT UNDONE. "
        "The drill “Restore the shop” was interrupted by SIGTERM after 0s. Everything else it had touched was undone."
    )


def test_a_sentence_stays_a_sentence(tmp_path):
    story = experiment(tmp_path).finding(where="w" * 5000, message="m\n" * 5000)
    assert len(sentence(story)) <= 1500


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (8.23, "s", "8.2s"),
        (54_525_952, "bytes", "52 MiB"),
        (0.9995, "share", "99.95%"),
        (1_204_331, "rows", "1,204,331 rows"),
        (1.5, "beats", "1.5 beats"),
        (1234.56789, "", "1,234.568"),
        (0.000123456, "", "0.000123"),
        (-3.0, "°C", "-3 °C"),
    ],
)
def test_figures_have_their_units(value, unit, text):
    assert amount_text(value, unit) == text
    assert figure_text(Figure(value=value, unit=unit)) == text


def test_bounds_are_told_as_they_are_known():
    assert interval_text(None, None, "s") == "unknown"
    assert interval_text(None, 3.0, "s") == "up to 3s"
    assert interval_text(0.0, 3.0, "s") == "up to 3s"
    assert interval_text(3.0, None, "s") == "3s or more"
    assert interval_text(3.001, 3.002, "s") == "3s"
    assert figure_text(Figure(value=(1.0, 2.0), unit="s")) == "1s to 2s"


@pytest.mark.parametrize(
    ("bound", "unit", "margin", "text"),
    [
        ("at_most", "s", 90.0, "1m 30s left"),
        ("at_most", "s", -0.25, "250ms over"),
        ("at_least", "share", 0.0312, "3.12 points left"),
        ("at_least", "share", 0.01, "1 point left"),
        ("at_least", "share", -0.5, "50 points short"),
        ("at_most", "s", None, ""),
    ],
)
def test_margins_say_which_way_they_go(bound, unit, margin, text):
    fields = {"name": "x", "objective": 1.0, "of": None, "when": None, "reason": ""}
    result = ObjectiveResult(
        **fields, actual=Interval(low=None, high=None), bound=bound, unit=unit, margin=margin, outcome="met"
    )
    assert margin_text(result) == text


def test_words_are_counted_and_cut():
    assert (count_text(1, "finding"), count_text(2000, "finding")) == ("1 finding", "2,000 findings")
    assert (clip("a  b\nc", 5), clip("abcdef", 3)) == ("a b c", "ab…")


def test_wall_times_label_and_never_break():
    assert instant_text("2026-01-31T23:59:59.5Z") == "2026-01-31 23:59:59 UTC"
    assert instant_text("2026-01-31T23:59:59+01:00") == "2026-01-31 22:59:59 UTC"
    assert (instant_text("soon"), instant_text("")) == ("soon", "at an unknown time")
    assert time_of_day("2026-01-31T23:59:59.5Z", 0.75) == "00:00:00.250"
    assert (time_of_day("soon", 1.0), time_of_day("2026-01-31T23:59:59Z", 1e20)) == ("", "")


def test_promises_read_as_the_file_writes_them(tmp_path):
    story = Story(tmp_path).begin(RTO | {"target": 5400.0}, RPO | {"target": 0.25}, AVAILABILITY | {"target": 0.999})
    objectives = report_of(story.end()).objectives
    assert [target_text(result) for result in objectives] == ["≤ 1h30m", "≤ 250ms", "≥ 99.9%"]
