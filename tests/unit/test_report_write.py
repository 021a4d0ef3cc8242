"""From a run folder to its reports: whole, cut off or damaged, and onto disks that refuse."""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from report_story import RTO, Story, drill, experiment

from chaoslab.core.errors import BadUsage, ExitCode
from chaoslab.report.evidence import evidence_of
from chaoslab.report.write import report_of, write_reports

NOBODY = 65534


def test_both_reports_lie_in_the_run_folder(tmp_path):
    written = write_reports(drill(tmp_path).end())
    assert [path.name for path in written.paths] == ["report.json", "report.md"]
    assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "passed"
    assert (tmp_path / "report.md").read_text().startswith("# PASSED: Restore the shop\n")
    assert written.report.outcome == "passed"


def test_reading_writes_nothing(tmp_path):
    folder = drill(tmp_path).end()
    assert report_of(folder).outcome == "passed"
    assert [path.name for path in folder.iterdir()] == ["events.jsonl"]


def test_the_same_folder_gives_the_same_reports(tmp_path):
    folder = experiment(tmp_path).finding().end()
    first = {path.name: path.read_bytes() for path in write_reports(folder).paths}
    assert {path.name: path.read_bytes() for path in write_reports(folder).paths} == first


def test_every_file_that_it_rests_on_has_its_digest_and_reports_have_none(tmp_path):
    folder = drill(tmp_path).end()
    (folder / "journal.json").write_text("{}")
    (folder / "logs").mkdir()
    (folder / "logs" / "restore.txt").write_text("restored")
    (folder / "link").symlink_to(folder / "journal.json")
    for name in ("report.html", "junit.xml", ".hidden"):
        (folder / name).write_text("made later")
    write_reports(folder)
    evidence = {file.path: file for file in write_reports(folder).report.evidence}
    assert list(evidence) == ["events.jsonl", "journal.json", "logs/restore.txt"]
    assert evidence["logs/restore.txt"].sha256 == hashlib.sha256(b"restored").hexdigest()
    assert evidence["logs/restore.txt"].bytes == 8


def test_a_run_that_was_killed_is_reported(tmp_path):
    story = experiment(tmp_path / "run").say("step-started", step=1, name="wait for it", phase="verify").after(2)
    story.log.close()
    log = story.folder / "events.jsonl"
    log.write_text(log.read_text() + '{"seq": 99, "at": "2026-01-31T2')
    report = write_reports(story.folder).report
    assert (report.outcome, report.exit_code, report.complete) == ("interrupted", 137, False)
    assert report.steps[-1].outcome == "running"
    text = (story.folder / "report.md").read_text()
    assert "its runner died" in text
    assert "| **cut off** | verify: wait for it |" in text
    assert "the run log has no end" in text


def test_a_fault_that_the_reaper_undid_is_told(tmp_path):
    story = Story(tmp_path).begin(RTO).healthy().intend().bite()
    story.after(0.2).undone(by="reaper").log.close()
    report = report_of(tmp_path)
    assert (report.residue, report.faults[0].undone_by) == ([], "reaper")


def test_residue_outranks_all_else(tmp_path):
    story = Story(tmp_path).begin(RTO).healthy().intend().bite()
    report = report_of(story.say("fault-undo-failed", entry=1, by="run", error="no such process").end())
    assert (report.exit_code, report.residue[0].error) == (13, "no such process")


def test_what_is_undone_on_a_later_day_makes_the_run_no_longer(tmp_path):
    story = Story(tmp_path).begin(RTO).healthy().intend().bite().say("fault-undo-failed", entry=1, by="run", error="no")
    story.say("run-ended", status="completed").after(86_400).undone(by="undo").log.close()
    report = report_of(tmp_path)
    assert (report.residue, report.run.duration_s) == ([], 0.1)
    assert report.run.ended_at == "2026-01-31T23:59:30.100000Z"


def test_lines_that_are_no_events_are_left_out(tmp_path):
    folder = drill(tmp_path).end()
    log = folder / "events.jsonl"
    log.write_bytes(b'\xff\xfe\n[1]\n"text"\n' + log.read_bytes())
    assert report_of(folder).outcome == "passed"


@pytest.mark.parametrize("action", [report_of, write_reports])
def test_what_is_no_run_folder_is_told_in_one_line(tmp_path, action):
    def told(folder):
        with pytest.raises(BadUsage) as caught:
            action(folder)
        assert caught.value.exit_code == ExitCode.USAGE
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
        return str(caught.value)

    assert "there is no such folder" in told(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    assert "is not a folder" in told(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "it has no events.jsonl" in told(tmp_path / "empty")
    (tmp_path / "odd" / "events.jsonl").mkdir(parents=True)
    assert "cannot read" in told(tmp_path / "odd")


def test_a_log_without_its_first_event_is_told(tmp_path):
    folder = drill(tmp_path).end()
    log = folder / "events.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(BadUsage, match="no first event"):
        report_of(folder)
    log.write_text("")
    with pytest.raises(BadUsage, match="no first event"):
        report_of(folder)


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "run-started"},
        {"kind": "step-started"},
        {"kind": "step-started", "step": [], "mono_s": 0, "name": "s", "phase": "p"},
        {"kind": "figure", "name": "rows", "value": "many", "unit": "rows", "mono_s": 1, "at": ""},
        {"kind": "samples", "prober": "api", "batch": [[1]], "mono_s": 1, "at": ""},
        {"kind": "samples", "prober": "api", "batch": 7, "mono_s": 1, "at": ""},
        {"kind": "mark", "mono_s": 1},
    ],
)
def test_a_damaged_log_is_told_in_one_line(tmp_path, line):
    story = drill(tmp_path)
    log = story.end() / "events.jsonl"
    log.write_text(log.read_text() + json.dumps(line) + "\n")
    with pytest.raises(BadUsage) as caught:
        report_of(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(log) in str(caught.value)


def test_a_folder_that_cannot_be_written_keeps_what_it_had(tmp_path):
    folder = drill(tmp_path).end()
    (folder / "report.md").mkdir()
    with pytest.raises(BadUsage, match=r"cannot write the reports into .*Is a directory.*--json"):
        write_reports(folder)
    assert {path.name for path in folder.iterdir()} >= {"events.jsonl", "report.md"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may write anywhere, so root becomes somebody else")
def test_a_read_only_folder_is_told_to_somebody_who_is_not_root():
    with tempfile.TemporaryDirectory() as name:
        folder = drill(Path(name) / "run").end()
        for path in (Path(name), folder):
            path.chmod(0o755)
        write_reports(folder)
        for path in folder.glob("report.*"):
            path.unlink()
        os.seteuid(NOBODY)
        try:
            assert report_of(folder).outcome == "passed"
            with pytest.raises(BadUsage, match="cannot write the reports into .*Permission denied"):
                write_reports(folder)
        finally:
            os.seteuid(0)
        assert [path.name for path in folder.iterdir()] == ["events.jsonl"]


def test_a_log_that_grows_meanwhile_is_read_again(tmp_path, monkeypatch):
    folder = drill(tmp_path).end()
    log = folder / "events.jsonl"
    late = {"seq": 99, "at": "", "mono_s": 11.0, "kind": "mark", "name": "late"}

    def slow_digests(looked_at):
        if "late" not in log.read_text():
            log.write_text(log.read_text() + json.dumps(late) + "\n")
        return evidence_of(looked_at)

    monkeypatch.setattr("chaoslab.report.write.evidence_of", slow_digests)
    report = report_of(folder)
    assert report.marks["late_s"] == 11.0
    assert report.evidence[0].sha256 == hashlib.sha256(log.read_bytes()).hexdigest()


def test_evidence_that_cannot_be_read_is_named_without_a_digest(tmp_path, monkeypatch):
    folder = drill(tmp_path).end()
    (folder / "journal.json").write_text("{}")
    opened = Path.open

    def refuse(path, *args, **kwargs):
        if path.name == "journal.json":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    written = write_reports(folder)
    assert [(file.path, file.sha256 is None) for file in written.report.evidence][1:] == [("journal.json", True)]
    assert "**unreadable**" in (folder / "report.md").read_text()
