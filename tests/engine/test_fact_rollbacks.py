"""Facts of the engine that we rely on: when rollbacks are played, and when the fault stays."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import engine_toys_control
import pytest
from chaoslib.exceptions import InterruptExecution
from engine_build import control, experiment, play, probe, process, toy, until


@pytest.mark.parametrize("signame", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("strategy", ["default", "deviated", "never", "always"])
def test_a_signal_leaves_the_fault_unless_always(heard: list[str], signame: str, strategy: str) -> None:
    built = experiment(toy("signal_self", signame=signame, then_sleep_s=1.0), rollbacks=[toy("say", word="undone")])
    assert play(built, rollbacks=strategy)["status"] == "interrupted"
    assert heard == (["undone"] if strategy == "always" else [])


def test_default_plays_them_when_the_run_completed_or_an_action_failed(heard: list[str]) -> None:
    play(experiment(toy("fail"), rollbacks=[toy("say", word="undone")]))
    assert heard == ["fail", "undone"]


def test_default_plays_none_when_the_status_is_failed(heard: list[str]) -> None:
    broken = probe("fail", name="broken")
    assert play(experiment(probes=[broken], rollbacks=[toy("say", word="undone")]))["status"] == "failed"
    assert heard == ["fail"]


def test_default_plays_them_though_the_baseline_was_unmet_and_nothing_was_injected(heard: list[str]) -> None:
    unmet = probe("say", word="p", returns=False)
    play(experiment(toy("say", word="strike"), probes=[unmet], rollbacks=[toy("say", word="undone")]))
    assert heard == ["p", "undone"]


@pytest.mark.parametrize("fatal", [signal.SIGKILL, signal.SIGHUP])
def test_sigkill_and_sighup_undo_nothing_even_under_always(forked: Any, fatal: signal.Signals) -> None:
    words = forked.folder / "words"
    built = experiment(
        toy("sleep", seconds=30.0, file=str(words)), rollbacks=[toy("say", word="undone", file=str(words))]
    )
    forked.start_chaos_run(built, "--rollback-strategy", "always")
    until(lambda: words.exists() and words.read_text())
    forked.send(fatal)
    assert forked.wait() == -fatal
    assert words.read_text().split() == ["sleeping"]


def test_an_exception_that_escapes_a_hypothesis_undoes_nothing_even_under_always(heard: list[str]) -> None:
    # Comparing a word with a range raises TypeError out of run_experiment itself.
    wordy = probe("say", word="p", returns="a word", tolerance=[1, 2])
    with pytest.raises(TypeError):
        play(experiment(probes=[wordy], rollbacks=[toy("say", word="undone")]), rollbacks="always")
    assert heard == ["p"]


def test_an_exception_that_escapes_a_rollback_undoes_no_more(heard: list[str]) -> None:
    missing = process(path="no-such-program", name="missing")
    with pytest.raises(TypeError):
        play(experiment(rollbacks=[missing, toy("say", word="undone")]), rollbacks="always")
    assert heard == []


def test_a_second_signal_during_rollbacks_abandons_the_rest(heard: list[str]) -> None:
    undo = [toy("say", word="first"), toy("signal_self", signame="SIGINT"), toy("say", word="last")]
    journal = play(
        experiment(toy("signal_self", signame="SIGINT", then_sleep_s=1.0), rollbacks=undo), rollbacks="always"
    )
    assert heard == ["first"]
    assert journal["status"] == "interrupted"


def test_a_running_background_activity_delays_them(heard: list[str]) -> None:
    behind = {**toy("sleep", seconds=0.3, after="background over"), "background": True}
    interrupted = toy("signal_self", signame="SIGTERM", then_sleep_s=1.0)
    play(experiment(behind, interrupted, rollbacks=[toy("say", word="undone")]), rollbacks="always")
    assert heard == ["sleeping", "background over", "undone"]


def test_they_run_in_declared_order_whether_or_not_their_fault_happened(heard: list[str]) -> None:
    undo = [toy("say", word="undo first"), toy("say", word="undo second")]
    interrupted = toy("signal_self", signame="SIGTERM", then_sleep_s=1.0)
    play(
        experiment(toy("say", word="first"), interrupted, toy("say", word="second"), rollbacks=undo),
        rollbacks="always",
    )
    assert heard == ["first", "undo first", "undo second"]


def test_the_next_rollback_is_played_after_one_that_failed(heard: list[str]) -> None:
    play(experiment(rollbacks=[toy("fail"), toy("say", word="next")]))
    assert heard == ["fail", "next"]


def test_a_control_can_stop_a_method_whose_actions_failed_and_always_still_undoes(tmp_path: Path) -> None:
    words = tmp_path / "words"
    engine_toys_control.RAISE["after_method"] = InterruptExecution
    undo = toy("say", word="undone", file=str(words))
    journal = play(experiment(toy("fail"), rollbacks=[undo], controls=[control()]), rollbacks="always")
    assert journal["status"] == "interrupted"
    assert words.read_text().split() == ["undone"]
