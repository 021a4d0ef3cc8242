"""Where `chaos run` exits 0, "completed", and should not, `chaoslab run` does not. Its twin is test_fact_exit_zero."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from engine_build import control, events_of, experiment, ours, probe, process, run_ours, toy

from chaoslab.core.errors import ExitCode
from chaoslab.engine.exercise import Exercise
from chaoslab.engine.runner import Outcome

GOOD = probe("say", name="steady", word="steady", returns=True)


def steps(outcome: Outcome) -> dict[str, str]:
    """Return what came of each step, by name."""
    return {step.name: step.outcome for step in outcome.record.steps}


def with_strategy(strategy: str) -> dict[str, Any]:
    """Return the key of a file that says when its hypothesis is asked."""
    return {"runtime": {"hypothesis": {"strategy": strategy}}}


def test_a_good_run_passes(tmp_path: Path, heard: list[str]) -> None:
    outcome = run_ours(ours(experiment(toy("say", word="a"), probes=[GOOD])), tmp_path)
    assert (outcome.verdict.outcome, outcome.exit_code) == ("passed", 0), outcome.verdict.reasons
    assert heard == ["steady", "a", "steady"]


def test_01_the_baseline_is_unmet(tmp_path: Path, heard: list[str]) -> None:
    unmet = probe("say", name="steady", word="p", returns=False)
    built = experiment(toy("say", word="struck"), probes=[unmet], rollbacks=[toy("say", word="undone")])
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert heard == ["p"]  # and what never began is not rolled back either


def test_02_an_action_raised(tmp_path: Path, heard: list[str]) -> None:
    outcome = run_ours(experiment(toy("fail", message="403"), toy("say", word="next"), probes=[GOOD]), tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert "next" not in heard


def test_03_a_failed_restore_is_not_followed_by_the_next_step(tmp_path: Path) -> None:
    restore = {**toy("fail_to_restore"), "name": "restore"}
    outcome = run_ours(experiment(restore, toy("say", name="verify", word="v"), probes=[GOOD]), tmp_path)
    assert (outcome.verdict.outcome, outcome.exit_code) == ("failed", ExitCode.FAILED)
    assert steps(outcome) == {"steady": "ok", "restore": "failed"}


def test_04_a_process_action_returns_non_zero(tmp_path: Path) -> None:
    outcome = run_ours(experiment(process("-c", "echo no room >&2; exit 3"), probes=[GOOD]), tmp_path)
    assert outcome.exit_code != 0
    assert "exit code 3: no room" in " ".join(outcome.verdict.reasons)


def test_05_a_rollback_fails(tmp_path: Path) -> None:
    outcome = run_ours(experiment(probes=[GOOD], rollbacks=[toy("fail")]), tmp_path)
    assert outcome.exit_code == ExitCode.RESIDUE


def test_06_a_background_activity_raises_interrupt_execution(tmp_path: Path) -> None:
    built = experiment({**toy("interrupt"), "background": True}, toy("sleep", seconds=0.05), probes=[GOOD])
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert steps(outcome)["interrupt"] == "failed"


def test_07_during_method_only_fails_throughout(tmp_path: Path) -> None:
    unmet = probe("say", name="steady", word="p", returns=False)
    built = experiment(toy("sleep", seconds=0.05), probes=[unmet], **with_strategy("during-method-only"))
    assert run_ours(built, tmp_path).exit_code == ExitCode.FAILED


def test_08_the_continuous_hypothesis_deviates_only_mid_method(tmp_path: Path) -> None:
    counting = probe("count_up", bad=[2], file=str(tmp_path / "count"))
    built = experiment(toy("sleep", seconds=0.1), probes=[counting], **with_strategy("continuously"))
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.FAILED
    assert [finding.code for finding in outcome.record.findings] == ["hypothesis-deviated"]


def test_09_tolerances_on_probes_inside_the_method_count(tmp_path: Path) -> None:
    outcome = run_ours(experiment(probe("say", word="p", returns=False), probes=[GOOD]), tmp_path)
    assert outcome.exit_code == ExitCode.FAILED
    assert steps(outcome)["probe-say"] == "deviated"


def test_10_timeout_at_activity_level_counts(tmp_path: Path) -> None:
    slow = {**toy("sleep", seconds=0.2), "timeout": 0.05}
    assert run_ours(experiment(slow, probes=[GOOD]), tmp_path).exit_code != 0


def test_10_timeout_at_activity_level_ends_a_program(tmp_path: Path) -> None:
    slow = {**process("-c", "sleep 30"), "timeout": 0.1}
    outcome = run_ours(experiment(slow, probes=[GOOD]), tmp_path)
    assert outcome.exit_code != 0
    assert outcome.record.duration_s < 10.0


def test_11_a_control_fails(tmp_path: Path, heard: list[str]) -> None:
    import engine_toys_control

    engine_toys_control.RAISE["before_method"] = RuntimeError
    outcome = run_ours(experiment(toy("say", word="struck"), probes=[GOOD], controls=[control("guard")]), tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert [(finding.code, finding.where) for finding in outcome.record.findings] == [("control-failed", "guard")]


def test_11_a_control_is_not_there(tmp_path: Path, heard: list[str]) -> None:
    from chaoslab.core.errors import BadFile

    with pytest.raises(BadFile, match=r"toy\.json:1:\d+: .*cannot import no_such_guard"):
        run_ours(experiment(controls=[control("guard", module="no_such_guard")]), tmp_path)
    assert heard == []


def test_12_a_name_that_resolves_to_nothing(tmp_path: Path, heard: list[str]) -> None:
    # A name that the file could know is told when it is read; this one is only missing once the run is on.
    found = {**toy("fail", kind="probe"), "name": "found"}
    built = experiment(toy("say", name="say", word="${found}"), configuration={"found": found}, probes=[GOOD])
    outcome = run_ours(built, tmp_path)
    assert (outcome.verdict.outcome, outcome.exit_code) == ("refused", ExitCode.REFUSED)
    assert heard == ["fail"]


def test_13_a_hypothesis_probe_that_raises_after_the_method_does_not_leave_the_fault(
    tmp_path: Path, heard: list[str]
) -> None:
    raising = probe("fail_on", calls=[2], file=str(tmp_path / "count"))
    built = experiment(toy("say", word="struck"), probes=[raising], rollbacks=[toy("say", word="undone")])
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.FAILED
    assert heard[-1] == "undone"


def test_14_an_exception_that_escapes_the_engine_does_not_leave_the_fault(tmp_path: Path) -> None:
    words = tmp_path / "words"
    wordy = probe("count_in_words", tolerance=[0, 5], file=str(tmp_path / "count"))
    built = experiment(
        toy("say", word="struck", file=str(words)),
        probes=[wordy],
        rollbacks=[toy("say", word="undone", file=str(words))],
    )
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.FAILED
    assert words.read_text().split() == ["struck", "undone"]
    assert [event["by"] for event in events_of(outcome, "fault-undone")] == ["run"]


def test_15_nothing_is_asserted(tmp_path: Path) -> None:
    assert run_ours(experiment(toy("say", word="a")), tmp_path).exit_code == ExitCode.INCONCLUSIVE


def test_an_output_does_not_replace_a_variable(tmp_path: Path) -> None:
    import engine_toys

    first = toy("say", name="where", word="x", returns="elsewhere")
    built = experiment(first, toy("keep", key="seen", value="${where}"), probes=[GOOD], configuration={"where": "here"})
    assert run_ours(built, tmp_path).exit_code == 0
    assert engine_toys.KEPT["seen"] == "here"


def test_after_a_run_the_signals_are_as_before(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    run_ours(experiment(toy("say", word="a"), probes=[GOOD]), tmp_path)
    assert [signal.getsignal(number) for number in numbers] == before


def test_the_journal_is_written_always_and_says_failed(tmp_path: Path) -> None:
    outcome = run_ours(experiment(toy("fail"), probes=[GOOD]), tmp_path)
    journal = json.loads((outcome.folder / "journal.json").read_text())
    assert journal["status"] == "failed"
    assert [run["status"] for run in journal["run"]] == ["failed"]


def test_no_secret_is_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary, token = "c4n4ry-password", "t0ken-canary"
    monkeypatch.setenv("TOY_TOKEN", token)
    dsn = f"postgresql://me:{canary}@h/d"
    steps = [
        toy("say", name="first", word="x", returns={"dsn": dsn, "bytes": [token]}),
        toy("fail", message=f"cannot reach {dsn} with {token}"),
    ]
    built = experiment(
        *steps,
        probes=[GOOD],
        configuration={"dsn": dsn},
        secrets={"db": {"token": {"type": "env", "key": "TOY_TOKEN"}}},
        rollbacks=[toy("say", name="back", word="${token}")],
    )
    told: list[Any] = []
    outcome = run_ours(built, tmp_path, tell=told.append)
    written = [file.read_text() for file in outcome.folder.iterdir()] + [json.dumps(told)]
    assert all(secret not in text for text in written for secret in (canary, token))


def test_16_a_control_of_the_file_stops_the_run(tmp_path: Path) -> None:
    import engine_toys_control
    from chaoslib.exceptions import InterruptExecution

    engine_toys_control.RAISE["before_method"] = InterruptExecution
    outcome = run_ours(experiment(toy("say", word="a"), probes=[GOOD], controls=[control("guard")]), tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert "something in the file stopped the run: before_method" in " ".join(outcome.verdict.reasons)


def test_17_a_strategy_that_does_not_exist(tmp_path: Path) -> None:
    from chaoslab.core.errors import BadFile

    with pytest.raises(BadFile, match=r"toy\.json:1:\d+: .*did you mean 'continuously'"):
        run_ours(experiment(probes=[GOOD], **with_strategy("continuosly")), tmp_path)


def test_a_hook_of_ours_that_breaks_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, *arguments: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Exercise, "method_begins", broken)
    outcome = run_ours(experiment(toy("say", word="struck"), probes=[GOOD]), tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert "chaoslab broke: ZeroDivisionError" in " ".join(outcome.verdict.reasons)
    assert "struck" not in steps(outcome)


def test_a_tolerance_may_refer_to_a_variable(tmp_path: Path) -> None:
    asked = probe("say", name="asked", word="x", returns="red", tolerance="${colour}")
    built = experiment(toy("say", word="struck"), asked, probes=[GOOD], configuration={"colour": "red"})
    assert run_ours(built, tmp_path).exit_code == 0
    assert run_ours(built, tmp_path, "colour=blue").exit_code == ExitCode.FAILED


def test_looking_alone_tries_nothing(tmp_path: Path) -> None:
    outcome = run_ours(experiment(probe("say", name="asked", word="x", returns=True), probes=[GOOD]), tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert "nothing was tried" in " ".join(outcome.verdict.reasons)


def test_a_json_path_is_compared(tmp_path: Path) -> None:
    path = {"type": "jsonpath", "path": "$.colour", "expect": "red"}
    asked = probe("say", name="asked", word="x", returns={"colour": "red"}, tolerance=path)
    assert run_ours(experiment(toy("say", word="struck"), probes=[asked]), tmp_path).exit_code == 0


def test_a_tolerance_that_breaks_the_engine_is_told_at_its_probe(tmp_path: Path) -> None:
    pattern = {"type": "regex", "pattern": "ok", "target": "body"}
    asked = probe("say", name="asked", word="x", returns={"body": {"state": "ok"}}, tolerance=pattern)
    outcome = run_ours(experiment(toy("say", word="struck"), probes=[GOOD, asked]), tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert steps(outcome) == {"steady": "ok", "asked": "failed"}
    assert "read the body as JSON, so compare it by a jsonpath" in " ".join(outcome.verdict.reasons)


def test_an_argument_that_makes_no_sense_speaks_neither_for_nor_against_the_system(tmp_path: Path) -> None:
    """One that is known beforehand is refused by the plan; this one is found out when the run is there."""
    found = {"type": "probe", "provider": toy("say", word="found", returns="soon")["provider"]}
    outcome = run_ours(ours(experiment(ours_wait("${found}"), probes=[GOOD], configuration={"found": found})), tmp_path)
    assert (outcome.verdict.outcome, outcome.exit_code) == ("inconclusive", ExitCode.INCONCLUSIVE)
    assert steps(outcome)["endure"] == "aborted"
    assert "duration: " in " ".join(outcome.verdict.reasons)


def ours_wait(duration: str) -> dict[str, Any]:
    """Return a step that lets time pass."""
    provider = {"type": "python", "module": "chaoslab.runtime.actions", "func": "wait"}
    return {"type": "action", "name": "endure", "provider": {**provider, "arguments": {"duration": duration}}}
