"""Facts of the engine that we rely on: where `chaos run` exits 0, "completed", and should not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine_build import control, experiment, probe, process, toy

Built = dict[str, Any]


def contented(forked: Any, built: Built, *options: str) -> dict[str, Any]:
    """Run it with `chaos run` and assert that all is well, as it says."""
    assert forked.chaos_run(built, *options) == 0, forked.stderr
    assert (forked.journal["status"], forked.journal["deviated"]) == ("completed", False)
    journal: dict[str, Any] = forked.journal
    return journal


@pytest.fixture
def words(tmp_path: Any) -> Any:
    """Give activities a file to leave words in; its content is returned by calling."""

    class Words:
        file = str(tmp_path / "words")

        def __call__(self) -> list[str]:
            return (tmp_path / "words").read_text().split() if (tmp_path / "words").exists() else []

    return Words()


def test_the_baseline_is_unmet(forked: Any, words: Any) -> None:
    met_not = probe("say", word="p", returns=False)
    journal = contented(forked, experiment(toy("say", word="struck", file=words.file), probes=[met_not]))
    assert journal["steady_states"]["before"]["steady_state_met"] is False
    assert words() == []


def test_an_action_raised_and_the_next_one_still_runs(forked: Any, words: Any) -> None:
    built = experiment(toy("fail", message="403 Forbidden"), toy("say", word="next", file=words.file))
    assert contented(forked, built)["run"][0]["status"] == "failed"
    assert words() == ["next"]


def test_a_failed_restore_is_followed_by_the_next_step(forked: Any, words: Any) -> None:
    restore = {**toy("fail", message="restore failed"), "name": "restore"}
    verify = toy("say", name="verify", word="verified", file=words.file, kind="probe")
    contented(forked, experiment(restore, verify))
    assert words() == ["verified"]


def test_a_process_action_returns_non_zero(forked: Any) -> None:
    assert contented(forked, experiment(process("-c", "exit 3")))["run"][0]["status"] == "succeeded"


def test_a_rollback_fails(forked: Any) -> None:
    journal = contented(forked, experiment(rollbacks=[toy("fail")]))
    assert journal["rollbacks"][0]["status"] == "failed"


def test_a_background_activity_raises_interrupt_execution(forked: Any) -> None:
    contented(forked, experiment({**toy("interrupt"), "background": True}, toy("sleep", seconds=0.05)))


def test_during_method_only_fails_throughout_without_fail_fast(forked: Any) -> None:
    options = ("--hypothesis-strategy", "during-method-only", "--hypothesis-frequency", "0.01")
    built = experiment(toy("sleep", seconds=0.1), probes=[probe("say", word="p", returns=False)])
    during = contented(forked, built, *options)["steady_states"]["during"]
    assert during
    assert not any(state["steady_state_met"] for state in during)


def test_the_continuous_hypothesis_deviates_only_mid_method(forked: Any, tmp_path: Any) -> None:
    options = ("--hypothesis-strategy", "continuously", "--hypothesis-frequency", "0.01")
    counting = probe("count_up", bad=[2, 3], file=str(tmp_path / "count"))
    during = contented(forked, experiment(toy("sleep", seconds=0.2), probes=[counting]), *options)
    states = [state["steady_state_met"] for state in during["steady_states"]["during"]]
    assert states[:2] == [False, False]


def test_tolerances_on_probes_inside_the_method_are_ignored(forked: Any) -> None:
    journal = contented(forked, experiment(probe("say", word="p", returns=False)))
    assert "tolerance_met" not in journal["run"][0]


def test_timeout_at_activity_level_is_ignored(forked: Any) -> None:
    slow = {**process("-c", "sleep 0.3"), "timeout": 0.05}
    assert contented(forked, experiment(slow))["run"][0]["duration"] >= 0.3


def test_only_the_providers_timeout_counts(forked: Any) -> None:
    slow = process("-c", "sleep 5")
    slow["provider"]["timeout"] = 0.05
    journal = contented(forked, experiment(slow))
    assert journal["run"][0]["status"] == "failed"
    assert journal["run"][0]["duration"] < 4.0


def test_a_guard_written_as_a_control_is_not_there(forked: Any, words: Any) -> None:
    missing = control("guard", module="no_such_guard")
    contented(forked, experiment(toy("say", word="struck", file=words.file), controls=[missing]))
    assert words() == ["struck"]


def test_a_name_that_resolves_to_nothing(forked: Any) -> None:
    contented(forked, experiment(toy("say", name="say", word="${unknown}"), configuration={"known": 1}))


def test_a_hypothesis_probe_that_raises_after_the_method_leaves_the_fault(forked: Any, words: Any) -> None:
    # This one exits 1, but by default plays no rollbacks.
    raising = probe("fail_on", calls=[2], file=words.file + "-count")
    undo = toy("say", word="undone", file=words.file)
    built = experiment(toy("say", word="struck", file=words.file), probes=[raising], rollbacks=[undo])
    assert forked.chaos_run(built) == 1
    assert forked.journal["status"] == "failed"
    assert words() == ["struck"]


def test_the_installed_command_says_so_too(tmp_path: Path) -> None:
    # The other tests fork a process that has the command line imported; this one starts it as people do.
    file = tmp_path / "experiment.json"
    file.write_text(json.dumps(experiment(process("-c", "exit 3"))))
    chaos = Path(sys.executable).with_name("chaos")
    options = ["--no-version-check", "--no-log-file", "run", str(file)]
    assert subprocess.run([chaos, *options], cwd=tmp_path, capture_output=True, check=False).returncode == 0
