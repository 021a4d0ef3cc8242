"""What kind of step an action or a probe is."""

from collections.abc import Callable
from typing import Literal

Phase = Literal["baseline", "inject", "recover", "verify", "undo", "teardown"]
_MARK = "__chaoslab_phase__"


def step[**P, R](phase: Phase) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say in which phase of an exercise a function belongs."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, _MARK, phase)
        return function

    return mark


def phase_of(function: Callable[..., object]) -> Phase | None:
    """Return the phase that `@step` gave to a function, or None for a function that is not ours."""
    phase: Phase | None = getattr(function, _MARK, None)
    return phase
