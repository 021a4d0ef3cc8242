"""Facts of the engine that we rely on: controls and event handlers."""

from __future__ import annotations

import inspect
import json
import logging
from pathlib import Path
from typing import Any

import engine_toys
import engine_toys_control
import pytest
from chaoslib.control import load_global_controls
from chaoslib.exceptions import InterruptExecution
from chaoslib.run import RunEventHandler
from engine_build import control, experiment, play, probe, toy

HYPOTHESIS = ["before_hypothesis", "before_activity:p", "after_activity:p", "after_hypothesis"]
ORDER = [
    *("configure", "before_experiment"),
    *HYPOTHESIS,
    *("before_method", "before_activity:strike", "after_activity:strike", "after_method"),
    *HYPOTHESIS,
    *("before_rollback", "before_activity:undo", "after_activity:undo", "after_rollback"),
    *("after_experiment", "cleanup"),
]


def whole(**more: Any) -> dict[str, Any]:
    """Build an experiment with a hypothesis, a method and a rollback, each of one silent activity."""
    quiet = {"key": "x", "value": True}
    return experiment(
        toy("keep", name="strike", **quiet),
        probes=[{**probe("say", name="p", word="", returns=True)}],
        rollbacks=[toy("keep", name="undo", **quiet)],
        controls=[control()],
        **more,
    )


def hooks(heard: list[str]) -> list[str]:
    """Leave out what the probe says."""
    return [word for word in heard if word]


def test_the_order_of_hooks(heard: list[str]) -> None:
    play(whole())
    assert hooks(heard) == ORDER


@pytest.mark.parametrize("hook", ["before_experiment", "before_activity", "before_hypothesis", "before_method"])
def test_interrupt_execution_before_anything_stops_the_run(heard: list[str], hook: str) -> None:
    engine_toys_control.RAISE[hook] = InterruptExecution
    assert play(whole())["status"] == "interrupted"
    assert "before_activity:strike" not in heard or hook == "before_activity"
    assert engine_toys.KEPT == {}


@pytest.mark.parametrize("hook", ["after_activity", "after_hypothesis", "after_method"])
def test_interrupt_execution_afterwards_stops_the_run_too(hook: str) -> None:
    engine_toys_control.RAISE[hook] = InterruptExecution
    assert play(whole())["status"] == "interrupted"


@pytest.mark.parametrize("strategy", ["default", "always"])
def test_interrupt_execution_in_before_rollback_cancels_the_rollbacks(heard: list[str], strategy: str) -> None:
    engine_toys_control.RAISE["before_rollback"] = InterruptExecution
    play(whole(), rollbacks=strategy)
    assert "before_rollback" in heard
    assert "before_activity:undo" not in heard


def test_interrupt_execution_in_after_experiment_is_swallowed() -> None:
    engine_toys_control.RAISE["after_experiment"] = InterruptExecution
    assert play(whole())["status"] == "completed"


@pytest.mark.parametrize("hook", sorted({word.split(":")[0] for word in ORDER} - {"configure", "cleanup"}))
def test_every_other_exception_is_swallowed_at_debug_level(caplog: pytest.LogCaptureFixture, hook: str) -> None:
    caplog.set_level(logging.INFO, logger="chaostoolkit")
    engine_toys_control.RAISE[hook] = RuntimeError
    assert play(whole())["status"] == "completed"
    assert engine_toys.KEPT == {"x": True}
    assert hook not in caplog.text.replace("before_activity:", "")


def test_a_control_whose_module_is_missing_is_dropped(heard: list[str]) -> None:
    built = experiment(toy("say", word="struck"), controls=[control(module="no_such_module")])
    assert play(built)["status"] == "completed"
    assert heard == ["struck"]


def test_a_global_control_whose_configure_fails_is_dropped(heard: list[str], tmp_path: Path) -> None:
    engine_toys_control.RAISE["configure"] = RuntimeError
    _load_globally(tmp_path)
    assert play(experiment(toy("say", word="struck")))["status"] == "completed"
    assert heard == ["configure", "struck"]


def test_a_declared_control_whose_configure_fails_is_called_all_the_same(heard: list[str]) -> None:
    # The engine logs "will not be registered" here too, at DEBUG level, but it is.
    engine_toys_control.RAISE["configure"] = RuntimeError
    play(whole())
    assert hooks(heard) == ORDER


def test_an_exception_in_cleanup_of_a_declared_control_escapes(heard: list[str]) -> None:
    engine_toys_control.RAISE["cleanup"] = RuntimeError
    with pytest.raises(RuntimeError):
        play(whole())


def test_activity_hooks_fire_inside_rollbacks_too(heard: list[str]) -> None:
    play(whole())
    undo = heard.index("before_activity:undo")
    assert heard.index("before_rollback") < undo < heard.index("after_rollback")


def test_after_an_interrupted_activity_its_hook_gets_no_state(heard: list[str]) -> None:
    engine_toys_control.STORE_OUTPUTS = True
    built = experiment(toy("signal_self", name="cut", signame="SIGINT", then_sleep_s=1.0), controls=[control()])
    play(built)
    assert "after_activity:cut" in heard


def test_after_experiment_may_turn_the_status_and_then_chaos_run_fails(forked: Any) -> None:
    status = "import engine_toys_control as c; c.JOURNAL_STATUS = 'failed'"
    (forked.folder / "turning.py").write_text(f"from engine_toys_control import *\n{status}\n")
    sitting = forked.folder / "experiment.json"
    sitting.write_text(json.dumps(experiment(controls=[control(module="turning")])))
    code = forked.run("engine_launch:chaos_run", str(sitting))
    assert code == 1
    assert forked.journal["status"] == "failed"


def test_a_top_level_control_takes_method_and_rollback_hooks_from_global_ones(heard: list[str], tmp_path: Path) -> None:
    _load_globally(tmp_path)
    built = whole()
    del built["controls"]
    play(built)
    assert {"before_method", "before_rollback"} <= set(heard)
    heard.clear()
    _load_globally(tmp_path)
    play(whole() | {"controls": [control("other", label="other ")]})
    lost = {"before_method", "after_method", "before_rollback", "after_rollback"}
    assert lost.isdisjoint(heard)
    assert {"before_experiment", "before_hypothesis", "before_activity:strike"} <= set(heard)


def test_two_global_controls_make_a_declared_one_fire_twice(heard: list[str], tmp_path: Path) -> None:
    # So a hook of ours must bear being called twice for the same moment.
    _load_globally(tmp_path, "one", "two")
    play(whole() | {"controls": [control("declared", label="declared ")]})
    assert heard.count("declared before_activity:strike") == 2


def test_an_event_handler_has_twenty_callbacks() -> None:
    callbacks = [name for name, _ in inspect.getmembers(RunEventHandler, inspect.isfunction)]
    assert len([name for name in callbacks if not name.startswith("_")]) == 20


def test_an_event_handler_cannot_interrupt_and_its_exceptions_are_swallowed() -> None:
    class Objecting(RunEventHandler):
        asked = 0

        def start_method(self, experiment: Any) -> None:
            self.asked += 1
            raise InterruptExecution("stop")

        def start_activity(self, activity: Any) -> None:
            self.asked += 1
            raise RuntimeError("stop")

    handler = Objecting()
    assert play(whole(), event_handlers=[handler])["status"] == "completed"
    assert handler.asked == 5
    assert engine_toys.KEPT == {"x": True}


def _load_globally(folder: Path, *names: str) -> None:
    controls = {name: {k: v for k, v in control().items() if k != "name"} for name in names or ("toys",)}
    file = folder / "controls.json"
    file.write_text(json.dumps(controls))
    load_global_controls({}, [str(file)])
