"""Objectives are plain data that survives the run log."""

from __future__ import annotations

import json

import pytest

from chaoslab.core.objective import MEASURES, Objective


def test_an_objective_survives_json() -> None:
    objective = Objective("availability", "at_least", 0.95, "share", of="api")
    assert Objective.from_json(json.loads(json.dumps(objective.to_json()))) == objective


def test_an_objective_reads_as_a_sentence() -> None:
    assert Objective("rto", "at_most", 7200, "s").text == "rto at most 2h 00m"
    assert Objective("availability", "at_least", 0.95, "share", "api").text == "availability of api at least 95%"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "rto"},
        {"name": "rto", "bound": "at_most", "target": "x", "unit": "s"},
        {"name": "rto", "bound": "near", "target": 1, "unit": "s"},
        {"name": "rto", "bound": "at_most", "target": 1, "unit": "m"},
        {"name": "rto", "bound": "at_most", "target": 1, "unit": "s", "extra": 1},
    ],
)
def test_what_is_no_objective_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is not an objective"):
        Objective.from_json(data)


def test_times_are_bounded_from_above_and_shares_from_below() -> None:
    assert {(m.unit, m.bound) for m in MEASURES.values()} == {("s", "at_most"), ("share", "at_least")}
