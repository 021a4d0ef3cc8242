"""Files of others under `chaoslab run`: whatever they are made of, with ledger, guards, clock and report."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import engine_toys
import pytest
from engine_build import control, events_of, experiment, probe, process, run_ours, toy

from chaoslab.core.errors import BadUsage, ExitCode, Missing

WELL = probe("say", name="steady", word="steady", returns=True)


@pytest.fixture(autouse=True)
def quiet() -> None:
    engine_toys.HEARD.clear()
    engine_toys.KEPT.clear()


def test_values_of_every_kind_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_NUMBER", "7")
    monkeypatch.setenv("A_TOKEN", "canary-of-the-token")
    found = {"type": "probe", "provider": toy("say", word="dynamic", returns=[1, 2])["provider"]}
    built = experiment(
        toy("keep", name="number", key="number", value="${number}"),
        toy("keep", name="default", key="default", value="${default}"),
        toy("keep", name="dynamic", key="dynamic", value="${found}"),
        toy("keep", name="secret", key="secret", value="${token}"),
        probes=[WELL],
        configuration={
            "number": {"type": "env", "key": "A_NUMBER", "env_var_type": "int"},
            "default": {"type": "env", "key": "NOT_THERE", "default": "fallback"},
            "found": found,
        },
        secrets={"group": {"token": {"type": "env", "key": "A_TOKEN"}}},
    )
    for step in built["method"]:
        step["provider"]["secrets"] = ["group"]
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.PASSED
    kept = {key: engine_toys.KEPT[key] for key in ("number", "default", "dynamic")}
    assert kept == {"number": 7, "default": "fallback", "dynamic": [1, 2]}
    written = [path for path in tmp_path.rglob("*") if path.is_file() and b"canary-of" in path.read_bytes()]
    assert written == []


def test_steps_in_the_background_and_rollbacks(tmp_path: Path) -> None:
    words = tmp_path / "words"
    built = experiment(
        {**toy("sleep", seconds=0.2, file=str(words), after="slept"), "background": True},
        toy("say", word="meanwhile", file=str(words)),
        probes=[WELL],
        rollbacks=[toy("say", word="undone", file=str(words)), process("-c", "true", name="also")],
    )
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.PASSED
    assert set(words.read_text().split()) == {"sleeping", "meanwhile", "slept", "undone"}
    assert words.read_text().split()[-1] == "undone"
    assert len(events_of(outcome, "fault-undone")) == 2
    assert list(outcome.record.residue) == []


def test_a_control_of_theirs_sees_its_hooks(tmp_path: Path) -> None:
    outcome = run_ours(experiment(toy("say", word="a"), probes=[WELL], controls=[control(label="theirs:")]), tmp_path)
    assert outcome.exit_code == ExitCode.PASSED
    assert any(word.startswith("theirs:") for word in engine_toys.HEARD)


def test_without_a_hypothesis_nothing_is_proved(tmp_path: Path) -> None:
    outcome = run_ours(experiment(toy("say", word="a")), tmp_path)
    assert outcome.exit_code == ExitCode.INCONCLUSIVE
    assert "a" in engine_toys.HEARD


def test_a_step_by_reference_runs_once_more(tmp_path: Path) -> None:
    outcome = run_ours(experiment({"ref": "steady"}, toy("say", word="b"), probes=[WELL]), tmp_path)
    assert outcome.exit_code == ExitCode.PASSED
    assert engine_toys.HEARD.count("steady") == 3


def test_a_failed_action_ends_the_method_and_is_rolled_back(tmp_path: Path) -> None:
    built = experiment(
        process("-c", "exit 3"), toy("say", word="never"), probes=[WELL], rollbacks=[toy("say", word="undone")]
    )
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code in (ExitCode.FAILED, ExitCode.INCONCLUSIVE)
    assert "never" not in engine_toys.HEARD
    assert "undone" in engine_toys.HEARD


@pytest.mark.skipif(importlib.util.find_spec("hvac") is not None, reason="the client of the vault is here")
@pytest.mark.parametrize(
    "secrets", [{"g": {"type": "vault", "path": "a/b"}}, {"g": {"k": {"type": "vault", "path": "a"}}}]
)
def test_secrets_of_a_vault_that_nobody_can_ask_are_refused(tmp_path: Path, secrets: dict[str, Any]) -> None:
    with pytest.raises(Missing, match="hvac"):
        run_ours(experiment(toy("say", word="never"), probes=[WELL], secrets=secrets), tmp_path)
    assert engine_toys.HEARD == []


def test_a_variable_that_is_not_set_is_told_before_anything_is_done(tmp_path: Path) -> None:
    built = experiment(toy("say", word="x"), secrets={"g": {"k": {"type": "env", "key": "NOT_SET_ANYWHERE"}}})
    with pytest.raises(BadUsage, match="NOT_SET_ANYWHERE"):
        run_ours(built, tmp_path)
    assert engine_toys.HEARD == []


def test_dates_and_other_words_of_yaml_survive(tmp_path: Path) -> None:
    built = experiment(toy("keep", key="day", value="2026-01-01"), probes=[WELL], tags=["a", "b"], version="1.0.0")
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == ExitCode.PASSED
    assert engine_toys.KEPT["day"] == "2026-01-01"
    assert json.loads((outcome.folder / "journal.json").read_text())["status"] == "completed"
