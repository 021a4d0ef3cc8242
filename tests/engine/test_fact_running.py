"""Facts of the engine that we rely on: how it runs a file."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import chaoslib.activity
import chaoslib.run
import engine_toys
import engine_toys_control
import pytest
from chaoslib.experiment import run_experiment
from chaoslib.types import Dry
from engine_build import control, experiment, play, probe, toy, until


def test_the_engine_is_new_enough() -> None:
    installed = importlib.metadata.version("chaostoolkit-lib")
    assert tuple(int(part) for part in installed.split(".")[:2]) >= (1, 45)


def test_sigterm_inside_a_python_activity_interrupts_the_run(heard: list[str]) -> None:
    # Before 1.45 it was swallowed as the activity's failure, and the run went on as "completed".
    journal = play(experiment(toy("signal_self", signame="SIGTERM"), toy("say", word="next")))
    assert journal["status"] == "interrupted"
    assert heard == []


def test_signature_of_run_experiment() -> None:
    parameters = list(inspect.signature(run_experiment).parameters)
    assert parameters == [
        "experiment",
        "settings",
        "experiment_vars",
        "strategy",
        "schedule",
        "event_handlers",
    ]


def test_it_runs_in_the_main_thread_only() -> None:
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            play(experiment())
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_module_globals_make_it_one_run_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    # A run inside a run clears the outer one's cache of activities: its `ref` is then lost.
    inner = toy("nest", name="inner")
    monkeypatch.setattr(engine_toys, "nest", lambda: play(experiment())["status"], raising=False)
    referring = experiment(inner, {"ref": "later"}, {**toy("say", word="later")})
    journal = play(referring)
    assert journal["status"] == "aborted"
    del referring["method"][0]
    assert play(referring)["status"] == "completed"


def test_the_files_own_runtime_key_is_merged_by_the_command_line_only(heard: list[str]) -> None:
    never = {"runtime": {"rollbacks": {"strategy": "never"}}}
    play(experiment(rollbacks=[toy("say", word="back")], **never))
    assert heard == ["back"]
    heard.clear()
    play(experiment(rollbacks=[toy("say", word="back")]), rollbacks="never")
    assert heard == []


def test_experiment_vars_are_eaten() -> None:
    variables: dict[str, Any] = {"greeting": "hello"}
    play(experiment(configuration={"greeting": "hi"}), experiment_vars=(variables, {}))
    assert variables == {}


def test_the_dry_enum_makes_the_journal_unserialisable() -> None:
    journal = play(experiment(dry=Dry.ACTIONS))
    with pytest.raises(TypeError):
        json.dumps(journal)


def test_what_a_journal_holds() -> None:
    journal = play(experiment(toy("say", word="a"), toy("fail"), probes=[probe("say", word="p", returns=True)]))
    assert set(journal) == {
        *("chaoslib-version", "platform", "node", "experiment", "start", "end", "duration"),
        *("status", "deviated", "steady_states", "run", "rollbacks"),
    }
    assert set(journal["steady_states"]) == {"before", "after", "during"}
    good, bad = journal["run"]
    assert set(good) == {"activity", "output", "start", "status", "end", "duration"}
    assert set(bad) - set(good) == {"exception"}
    assert journal["steady_states"]["before"]["probes"][0]["tolerance_met"] is True


def test_an_interrupted_activity_has_no_status() -> None:
    journal = play(experiment(toy("signal_self", signame="SIGINT", then_sleep_s=1.0)))
    assert "status" not in journal["run"][0]
    assert journal["run"][0]["duration"] >= 0.0


def test_durations_are_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    class SteppedBack(datetime):
        hours = 0

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            cls.hours -= 1
            return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=cls.hours)

    monkeypatch.setattr(chaoslib.activity, "datetime", SteppedBack)
    assert play(experiment(toy("say", word="a")))["run"][0]["duration"] == -3600.0


def test_sigkill_leaves_no_journal(forked: Any) -> None:
    started = forked.folder / "words"
    forked.start_chaos_run(experiment(toy("sleep", seconds=30.0, file=str(started))))
    until(started.exists)
    forked.send(signal.SIGKILL)
    assert forked.wait() == -signal.SIGKILL
    assert not (forked.folder / "journal.json").exists()


def test_a_python_activity_gets_a_shallow_copy_of_the_configuration() -> None:
    built = experiment(
        toy("change_configuration"),
        toy("keep", key="seen", value=["${top}", "${nested}"]),
        configuration={"top": "as it was", "nested": {"inside": "as it was"}},
    )
    play(built)
    assert engine_toys.KEPT["seen"] == ["as it was", {"inside": "changed"}]


def test_a_control_gets_the_live_configuration_and_can_pass_outputs_on() -> None:
    engine_toys_control.STORE_OUTPUTS = True
    output = {"rows": 7, "path": "/x"}
    built = experiment(
        toy("say", name="dump", word="a", returns=output),
        toy("keep", key="seen", value="${dump}"),
        controls=[control()],
    )
    play(built)
    assert engine_toys.KEPT["seen"] == output


def test_an_unresolved_name_stays_a_literal_silently(caplog: pytest.LogCaptureFixture) -> None:
    journal = play(experiment(toy("keep", key="seen", value="${unknown}"), configuration={"known": 1}))
    assert engine_toys.KEPT["seen"] == "${unknown}"
    assert journal["status"] == "completed"
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")]


def test_dynamic_configuration_writes_resolved_secrets_into_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOY_PASSWORD", "tr0ub4dor")
    dynamic = {**toy("whisper_secret", kind="probe"), "name": "dynamic"}
    built = experiment(
        configuration={"dynamic": dynamic},
        secrets={"db": {"password": {"type": "env", "key": "TOY_PASSWORD"}}},
    )
    assert "tr0ub4dor" in json.dumps(play(built))


def test_a_dynamic_value_that_fails_is_left_out_with_a_warning_only() -> None:
    built = experiment(configuration={"dynamic": {**toy("fail", kind="probe"), "name": "dynamic"}})
    assert play(built)["status"] == "completed"


def test_a_run_and_an_activity_cost_little() -> None:
    # Measured: 34 microseconds an activity, 0.3 ms a run. The bounds only catch another order of magnitude.
    idle = experiment(*[toy("say", word="a") for _ in range(200)])
    began = time.perf_counter()
    play(idle)
    assert time.perf_counter() - began < 1.0
