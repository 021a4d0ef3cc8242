"""A plan is data with a digest that says whether anything in it has changed."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from chaoslab.core.errors import BadFile
from chaoslab.core.objective import Objective
from chaoslab.core.plan import Plan, PlannedFault, PlannedGuard, PlannedStep, PlannedTarget, PlannedWatch, parse_plan
from chaoslab.runtime.secrets import Secrets

PLAN = Plan(
    name="postgres-restore",
    kind="drill",
    title="A database restores from its dump",
    file="drills/postgres-restore/drill.yaml",
    targets=(PlannedTarget("postgres", "postgresql://me:s3cret@db/shop"),),
    blast_radius="none",
    objectives=(Objective("rto", "at_most", 7200, "s"),),
    steps=(
        PlannedStep(1, "dump", "baseline", "chaoslab.postgres.actions.dump", {"source": "host=db password=s3cret"}),
        PlannedStep(
            2,
            "make a server",
            "recover",
            "chaoslab.postgres.actions.scratch",
            {"sizes": [1.0, 2, 0.5], "on": True, "none": None},
            PlannedFault("scratch", "server in /tmp/x", 60, "removes the server"),
        ),
    ),
    guards=(PlannedGuard("free-disk", "1 GiB free"),),
    watching=(PlannedWatch("prober", "reads: GET http://here/, 20 a second, each at most 1s"),),
    scratch=("a server in /tmp/x",),
    promises=("everything is undone",),
    warnings=("none",),
)


def test_a_plan_survives_json() -> None:
    stored = json.loads(json.dumps(PLAN.to_json()))
    assert Plan.from_json(stored) == PLAN
    assert Plan.from_json(stored).digest == PLAN.digest == stored["digest"]
    assert parse_plan(json.dumps(stored), "plan.json") == PLAN


def test_the_digest_is_the_same_wherever_it_is_taken() -> None:
    assert PLAN.digest == "3ffd8c475dcf8b832d9d57e0c4b56c0a0287b149323eec86eed99d866fa695e3"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"targets": (PlannedTarget("postgres", "postgresql://me:s3cret@elsewhere/shop"),)},
        {"objectives": (Objective("rto", "at_most", 7201, "s"),)},
        {"steps": PLAN.steps[:1]},
        {"steps": (PLAN.steps[1], PLAN.steps[0])},
        {"warnings": ()},
        {"watching": ()},
    ],
)
def test_whatever_changes_changes_the_digest(change: dict[str, Any]) -> None:
    assert dataclasses.replace(PLAN, **change).digest != PLAN.digest


def test_a_password_is_no_part_of_the_digest_and_redacting_keeps_it() -> None:
    rotated = json.loads(json.dumps(PLAN.to_json()).replace("s3cret", "0ther"))
    assert Plan.from_json(rotated).digest == PLAN.digest
    redacted = PLAN.redacted(Secrets().redact_json)
    assert "s3cret" not in json.dumps(redacted.to_json())
    assert redacted.digest == PLAN.digest
    assert redacted.redacted(Secrets().redact_json) == redacted


@pytest.mark.parametrize("secret", ["drill", "steps", "address", "rto", "at_most", "chaoslab.plan/1"])
def test_a_secret_that_is_one_of_our_words_breaks_nothing(secret: str) -> None:
    secrets = Secrets()
    secrets.register(secret)
    redacted = PLAN.redacted(secrets.redact_json)
    assert redacted.kind == "drill"
    assert Plan.from_json(redacted.to_json()) == redacted


def test_a_stored_plan_that_was_edited_is_refused() -> None:
    stored = PLAN.to_json()
    stored["targets"][0]["address"] = "postgresql://production/shop"
    with pytest.raises(ValueError, match="was changed after it was made; make it anew"):
        Plan.from_json(stored)


def test_what_json_cannot_hold_becomes_text() -> None:
    arguments = {"path": PurePosixPath("/x"), "day": datetime.date(2026, 1, 2), "nan": float("nan"), "pair": (1, 2)}
    plan = dataclasses.replace(PLAN, steps=(PlannedStep(1, "a", "inject", "f", arguments),))
    content = json.loads(json.dumps(plan.to_json(), allow_nan=False))
    assert content["steps"][0]["arguments"] == {"path": "/x", "day": "2026-01-02", "nan": "nan", "pair": [1, 2]}
    assert Plan.from_json(content).digest == plan.digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "plan.json:1:1: this is no plan; make it with `chaoslab plan --json`"),
        ("[]", "plan.json:1:1: this is no plan; make it with `chaoslab plan --json`"),
        ("{", "plan.json:1:2: a key is missing; write"),
        ("{}", "plan.json:1:1: schema is None, and must be 'chaoslab.plan/1'; make the plan anew"),
        (
            json.dumps({**PLAN.to_json(), "name": "other"}),
            "plan.json:1:1: the plan was changed after it was made; make it anew with `chaoslab plan`",
        ),
        (json.dumps({**PLAN.to_json(), "name": 5}), "plan.json:1:39: name: Input should be a valid string; make"),
        (json.dumps({**PLAN.to_json(), "surprise": 5}), "plan.json:1:"),
        (json.dumps({**PLAN.to_json(), "steps": [{}]}), "plan.json:1:"),
    ],
)
def test_what_is_no_plan_is_told(text: str, expected: str) -> None:
    with pytest.raises(BadFile) as caught:
        parse_plan(text, "plan.json")
    assert str(caught.value).startswith(expected)
