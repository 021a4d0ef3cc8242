"""Facts of the engine that we rely on: what its validation asks, and what YAML does to a file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.hypothesis import within_tolerance
from engine_build import experiment, probe, process, toy


def refused(built: dict[str, Any]) -> str:
    """Return what the engine says against an experiment."""
    with pytest.raises(ChaosException) as caught:
        ensure_experiment_is_valid(built)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "empty"),
    [("title", False), ("title", True), ("description", False), ("description", True), ("method", False)],
)
def test_title_description_and_method_are_needed(key: str, empty: bool) -> None:
    built = experiment()
    del built[key]
    if empty:
        built[key] = ""
    assert key in refused(built)


def test_an_empty_method_is_allowed() -> None:
    ensure_experiment_is_valid(experiment())


@pytest.mark.parametrize("key", ["method", "rollbacks", "steady-state-hypothesis"])
def test_a_key_with_nothing_behind_it_breaks_the_engine(key: str) -> None:
    # `method:` alone on a line is null in YAML: a traceback, not an error for people.
    with pytest.raises((TypeError, AttributeError)):
        ensure_experiment_is_valid(experiment() | {key: None})


def test_a_hypothesis_probe_needs_a_tolerance() -> None:
    assert "tolerance" in refused(experiment(probes=[toy("say", word="p", kind="probe")]))


def test_python_modules_must_be_importable() -> None:
    gone = toy("say", word="a")
    gone["provider"]["module"] = "no_such_module"
    assert "no_such_module" in refused(experiment(gone))


def test_arguments_must_fit_the_function() -> None:
    assert "nonsense" in refused(experiment(toy("say", name="a", word="a", nonsense=1)))


def test_process_paths_must_exist_here() -> None:
    assert "no-such-program" in refused(experiment(process(path="no-such-program")))


@pytest.mark.parametrize("where", ["configuration", "secrets"])
def test_environment_values_must_be_set(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOY_UNSET", raising=False)
    entry: dict[str, Any] = {"x": {"type": "env", "key": "TOY_UNSET"}}
    built = experiment(**{where: entry if where == "configuration" else {"group": entry}})
    assert "TOY_UNSET" in refused(built)


def test_float_tolerances_are_rejected() -> None:
    assert "tolerance" in refused(experiment(probes=[probe("say", word="p", tolerance=0.5)]))


def test_any_two_element_list_is_a_range() -> None:
    assert within_tolerance([200, 404], 301) is True
    assert within_tolerance([200, 404, 500], 301) is False
    assert within_tolerance(["a", "c"], "b") is True


def test_a_controls_module_need_not_exist() -> None:
    gone = {"name": "guard", "provider": {"type": "python", "module": "no_such_module"}}
    ensure_experiment_is_valid(experiment(controls=[gone]))


def test_a_pair_under_extensions_needs_a_name_only() -> None:
    ensure_experiment_is_valid(experiment(extensions=[{"name": "chaoslab", "kind": "drill", "anything": [1]}]))
    assert "name" in refused(experiment(extensions=[{"kind": "drill"}]))


def test_yaml_reads_times_as_numbers_and_no_as_false() -> None:
    assert yaml.safe_load("12:30:00") == 45000
    assert yaml.safe_load("no") is False
