"""A plan is the same after it was stored, whatever its steps are called with."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.core.masking import mask_passwords
from chaoslab.core.plan import Plan, PlannedStep
from chaoslab.runtime.secrets import Secrets

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters().map(str) | st.dates()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
ADDRESSES = st.tuples(st.text(max_size=8), st.text(max_size=8)).map(
    lambda pair: f"postgresql://{pair[0]}:{pair[1]}@h/d"
)


def plan_of(arguments: dict[str, Any]) -> Plan:
    return Plan("n", "drill", "t", "f", steps=(PlannedStep(1, "s", "inject", "m.f", arguments),))


@given(arguments=st.dictionaries(st.text(), VALUES, max_size=4))
def test_the_digest_survives_storing(arguments: dict[str, Any]) -> None:
    plan = plan_of(arguments)
    stored = json.loads(json.dumps(plan.to_json(), allow_nan=False))
    assert Plan.from_json(stored).digest == plan.digest
    assert Plan.from_json(stored).to_json() == stored


@given(text=st.text() | ADDRESSES)
def test_masking_and_redacting_agree_and_change_nothing_twice(text: str) -> None:
    once = mask_passwords(text)
    assert mask_passwords(once) == once
    plan = plan_of({"x": text})
    assert plan.redacted(Secrets().redact_json).digest == plan.digest
