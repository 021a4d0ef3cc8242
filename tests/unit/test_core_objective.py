"""Objectives are plain data that survives the run log."""

from __future__ import annotations

import json

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.core.objective import MEASURES, Objective, with_targets


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


RTO, RPO = Objective("rto", "at_most", 7200, "s"), Objective("rpo", "at_most", 900, "s")
SHARE = Objective("availability", "at_least", 0.95, "share", of="api")


def test_a_promise_replaces_the_files_own_and_keeps_its_prober() -> None:
    changed = with_targets((RPO, SHARE), ["rpo=26h", "availability=99%", "rto=1h"])
    assert [objective.text for objective in changed] == [
        "rto at most 1h 00m",
        "rpo at most 1d 02h",
        "availability of api at least 99%",
    ]


def test_without_promises_the_objectives_are_the_files_own() -> None:
    assert with_targets((RTO, RPO, SHARE), []) == (RTO, RPO, SHARE)


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("rp0=1h", "did you mean 'rpo'"),
        ("rpo", "'' is not a duration"),
        ("rpo=soon", "'soon' is not a duration"),
        ("availability=0.95", "is not a share"),
        ("latency_p99=1s", "the file has no latency_p99"),
    ],
)
def test_what_is_no_promise_is_refused_in_one_line(pair: str, told: str) -> None:
    with pytest.raises(BadUsage, match=told):
        with_targets((RTO, RPO, SHARE), [pair])
