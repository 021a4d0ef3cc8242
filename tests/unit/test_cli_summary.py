"""The end of a run in words, from real run logs."""

import sys
from pathlib import Path

import click
import pytest

from chaoslab.cli.summary import print_summary
from chaoslab.report.write import report_of

sys.path.insert(0, str(Path(__file__).parent / "support"))

from report_story import AVAILABILITY, RTO, Story


@pytest.fixture
def story(tmp_path):
    return Story(tmp_path / "run")


def told(story, *, paths=()):
    lines = []
    print_summary(report_of(story.folder), paths=paths, write=lambda line: lines.append(click.unstyle(line)))
    return "\n".join(lines)


def passed(story):
    story.begin(RTO).healthy().say("mark", name="disaster").step("restore", "recover", 10.0).say(
        "mark", name="verified"
    )
    return story.healthy("after").say("run-ended", status="completed")


def test_no_step_of_a_run_that_is_over_is_running(story):
    story.begin().healthy().say("step-started", step=1, name="strike", phase="inject")
    story.say("interrupted", reason="SIGINT").say("run-ended", status="interrupted")
    text = told(story)
    assert "step strike cut off" in text
    assert "running" not in text


def test_the_verdict_comes_first_and_the_path_last(story):
    lines = told(passed(story), paths=(Path("reports/r1/report.md"),)).strip().splitlines()
    assert lines[0].startswith("PASSED  The drill")
    assert lines[-1] == "report: reports/r1/report.md"


def test_objectives_are_held_against_their_targets(story):
    text = told(passed(story))
    assert "objective" in text
    assert "≤ 2h" in text
    assert "10s" in text
    assert "left" in text


def test_a_step_that_did_not_end_well_says_why(story):
    story.begin().step("source-answers", "baseline", 0.1, "failed", "connection refused")
    text = told(story.say("hypothesis", when="before", met=False, failed_probe="x").say("run-ended", status="failed"))
    assert "INCONCLUSIVE" in text
    assert "step source-answers failed: connection refused" in text


def test_ten_findings_are_told_with_expected_and_actual(story):
    story.begin().healthy().step("compare", "verify", 1.0)
    for number in range(12):
        story.finding(where=f"shop.t{number}", expected=10, actual="x" * 200)
    text = told(story.healthy("after").say("run-ended", status="completed"))
    assert text.count("row-count-differs") >= 10
    assert "shop.t9" in text
    assert "shop.t10" not in text
    assert "and 2 findings more in the report" in text
    assert "expected 10, actual xxx" in text
    assert "x" * 61 not in text


def test_residue_is_loud(story):
    story.begin(AVAILABILITY).healthy().intend().bite()
    story.say("fault-undo-failed", entry=1, by="run", error="no answer").say("run-ended", status="failed")
    text = told(story)
    assert "RESIDUE" in text.splitlines()[1]
    assert "1 thing NOT UNDONE:" in text
    assert "process.pause on process 4711 (service): no answer" in text
    assert "chaoslab undo" in text


def test_a_note_is_left_to_the_report(story):
    passed(story)
    story.finding("old-version", severity="note")
    assert "old-version" not in told(story)


def test_of_a_refused_run_nothing_is_said_to_be_unknown(story):
    story.begin(RTO).say("refused", guard="free-disk", reason="1 GiB is needed").say("run-ended", status="refused")
    text = told(story)
    assert text.strip().startswith("REFUSED")
    assert "1 GiB is needed" in text
    assert "rto" not in text
