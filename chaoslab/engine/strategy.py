"""When the hypothesis of a file is asked."""

from collections.abc import Mapping
from typing import Any

from chaoslib.types import Strategy


def strategy_of(experiment: Mapping[str, Any]) -> Strategy:
    """Return when the file wants its hypothesis asked, as `chaos run` would take it from the file.

    Raises:
        ValueError: there is no such strategy.
    """
    hypothesis = (experiment.get("runtime") or {}).get("hypothesis") or {}
    name = str(hypothesis.get("strategy") or "default")
    return Strategy.from_string("continuously" if name == "continously" else name)
