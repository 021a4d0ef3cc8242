"""However the runner ends, nothing that it did remains: signals, SIGKILL, time-to-live."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from engine_build import experiment, ours, probe, run_ours, toy, until

from chaoslab.core.errors import ExitCode
from chaoslab.runtime.session import Session

GOOD = probe("say", name="steady", word="steady", returns=True)


def blotted(forked: Any, *more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Build an experiment that puts a file and then takes its time."""
    put = toy("blot", file=str(forked.folder / "blot"))
    return ours(experiment(put, *more, toy("sleep", seconds=30.0), probes=[GOOD], **fields))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_and_undoes(forked: Any, number: signal.Signals, code: int) -> None:
    blot = forked.folder / "blot"
    forked.start_ours(blotted(forked))
    until(lambda: forked.told("fault-effective"))
    assert blot.exists()
    forked.send(number)
    until(lambda: not blot.exists())
    assert forked.wait() == code, forked.stderr
    assert forked.outcome.verdict.outcome == "interrupted"
    assert (forked.run_folder / "journal.json").exists()


def test_further_signals_are_answered_and_change_nothing(forked: Any) -> None:
    go_on = forked.folder / "go-on"
    slow = toy("wait_for", name="slow undo", file=str(go_on))
    forked.start_ours(blotted(forked, rollbacks=[slow, toy("say", word="last", file=str(forked.folder / "words"))]))
    until(lambda: forked.told("fault-effective"))
    forked.send(signal.SIGTERM)
    until(lambda: forked.told("interrupted"))
    for answers, number in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGINT), 1):
        forked.send(number)
        until(lambda answers=answers: len(forked.told("reminder")) == answers)
    go_on.touch()
    assert forked.wait() == 143
    assert (forked.folder / "words").read_text().split() == ["last"]
    assert [event["signal"] for event in forked.told("reminder")] == ["SIGTERM", "SIGINT", "SIGHUP", "SIGINT"]
    assert any("slow undo" in what for event in forked.told("reminder") for what in event["open"])


def test_a_background_activity_does_not_delay_the_undo(forked: Any) -> None:
    blot, go_on = forked.folder / "blot", forked.folder / "go-on"
    behind = {**toy("wait_for", name="behind", file=str(go_on)), "background": True}
    forked.start_ours(blotted(forked, behind))
    until(lambda: len(forked.told("step-started")) >= 4)
    forked.send(signal.SIGTERM)
    until(lambda: not blot.exists())
    go_on.touch()
    assert forked.wait() == 143


def test_sigkill_leaves_nothing_and_the_run_is_judged_from_its_log(forked: Any) -> None:
    blot = forked.folder / "blot"
    forked.start_ours(blotted(forked))
    until(lambda: forked.told("fault-effective"))
    forked.send(signal.SIGKILL)
    assert forked.wait() == -signal.SIGKILL
    until(lambda: not blot.exists())
    until(lambda: forked.outcome.record.faults[0].undone_by == "reaper")
    assert (forked.outcome.verdict.outcome, forked.outcome.exit_code) == ("interrupted", 137)


def test_sigkill_inside_the_injection_leaves_nothing(forked: Any) -> None:
    blot = forked.folder / "blot"
    built = ours(experiment(toy("blot", file=str(blot), dies=True), probes=[GOOD]))
    assert forked.start_ours(built).wait() == -signal.SIGKILL
    until(lambda: not blot.exists())


def test_after_sigkill_the_rollbacks_of_a_foreign_file_are_played_in_their_order(forked: Any) -> None:
    words = str(forked.folder / "words")
    undo = [
        toy("say", name="one", word="${first}", file=words),
        {
            "type": "action",
            "name": "two",
            "provider": {"type": "process", "path": "sh", "arguments": ["-c", f"echo two >> {words}"]},
        },
        toy("say", name="three", word="three", file=words),
    ]
    built = experiment(toy("sleep", seconds=30.0), probes=[GOOD], rollbacks=undo, configuration={"first": "1st"})
    forked.start_ours(built, "first=given")
    until(lambda: forked.told("step-started")[-1:] and forked.told("step-started")[-1]["name"] == "sleep")
    forked.send(signal.SIGKILL)
    forked.wait()
    until(lambda: Path(words).exists() and len(Path(words).read_text().split()) == 3)
    assert Path(words).read_text().split() == ["given", "two", "three"]
    until(lambda: all(fault.undone_by == "reaper" for fault in forked.outcome.record.faults))


def test_sigkill_before_the_method_plays_no_rollback(forked: Any) -> None:
    words = forked.folder / "words"
    slow = probe("sleep", name="slow", seconds=30.0)
    forked.start_ours(experiment(probes=[slow], rollbacks=[toy("say", word="undone", file=str(words))]))
    until(lambda: forked.told("step-started"))
    forked.send(signal.SIGKILL)
    forked.wait()
    time.sleep(0.5)
    assert not words.exists()


def test_a_rollback_that_the_engine_has_played_is_not_played_again(tmp_path: Path, heard: list[str]) -> None:
    undo = [toy("say", word="one"), toy("say", word="two")]
    outcome = run_ours(experiment(toy("say", word="a"), probes=[GOOD], rollbacks=undo), tmp_path)
    assert outcome.exit_code == 0
    assert heard == ["steady", "a", "steady", "one", "two"]
    assert {fault.undone_by for fault in outcome.record.faults} == {"run"}


def test_what_a_dead_run_left_behind_blocks_the_next_run(forked: Any) -> None:
    built = experiment(toy("say", word="a"), probes=[GOOD], rollbacks=[toy("fail")])
    assert forked.start_ours(built).wait() == ExitCode.RESIDUE
    outcome = run_ours(experiment(toy("say", word="a"), probes=[GOOD]), forked.folder)
    assert outcome.exit_code == ExitCode.REFUSED
    assert "left fail on engine_toys.fail behind" in " ".join(outcome.verdict.reasons)


def test_a_run_log_that_cannot_grow_stops_the_run_and_everything_is_undone(forked: Any) -> None:
    blot, words = forked.folder / "blot", forked.folder / "words"
    after = toy("say", word="went on", file=str(words))
    built = ours(experiment(toy("blot", file=str(blot)), toy("chatter", lines=2000), after, probes=[GOOD]))
    (forked.folder / "experiment.json").write_text(json.dumps(built))
    code = forked.run("engine_launch:ours_in_little_room", str(forked.folder / "experiment.json"), "20000")
    assert code == ExitCode.BROKEN
    assert "could not be written down" in forked.stderr
    assert not words.exists()
    assert not blot.exists()


def test_secrets_of_a_file_reach_a_rollback_after_sigkill_and_not_the_ledger(forked: Any) -> None:
    words, values = forked.folder / "words", forked.folder / "values.yaml"
    values.write_text("secrets: {db: {token: t0ken-canary}}")
    undo = toy("say", name="back", word="${token}", file=str(words))
    secrets = {"db": {"token": {"type": "env", "key": "TOY_UNSET"}}}
    built = experiment(toy("sleep", seconds=30.0), probes=[GOOD], rollbacks=[undo], secrets=secrets)
    (forked.folder / "experiment.json").write_text(json.dumps(built))
    forked.start("engine_launch:ours_with_values", str(forked.folder / "experiment.json"), str(values))
    until(lambda: forked.told("step-started")[-1:] and forked.told("step-started")[-1]["name"] == "sleep")
    (ledger,) = (forked.folder / "state" / "ledger").glob("*.jsonl")
    assert "t0ken-canary" not in ledger.read_text()
    forked.send(signal.SIGKILL)
    forked.wait()
    until(lambda: words.exists() and words.read_text())
    assert words.read_text().split() == ["t0ken-canary"]


def test_a_signal_while_the_rollbacks_are_written_down_plays_none_of_them(
    tmp_path: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    intend = Session.intend

    def signalled(self: Session, **entry: Any) -> Any:
        written = intend(self, **entry)
        os.kill(os.getpid(), signal.SIGTERM)
        return written

    monkeypatch.setattr(Session, "intend", signalled)
    undo = [toy("say", word="one"), toy("say", word="two")]
    outcome = run_ours(experiment(toy("say", word="struck"), probes=[GOOD], rollbacks=undo), tmp_path)
    assert outcome.exit_code == 143
    assert heard == ["steady"]
    assert len(outcome.record.faults) == 2
    assert outcome.record.residue == ()
