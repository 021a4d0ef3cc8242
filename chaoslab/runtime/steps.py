"""What kind of step an action or a probe is."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

Phase = Literal["baseline", "inject", "recover", "verify", "undo", "teardown"]
type Reader = Callable[[str, Any], object]
"""Reads an argument, given its name and its value; raises BadUsage where it makes no sense."""
_MARK = "__chaoslab_phase__"
_READERS = "__chaoslab_readers__"


def step[**P, R](phase: Phase, **readers: Reader) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say in which phase of an exercise a function belongs.

    Args:
        phase: of the exercise
        readers: what reads an argument of that name, so that the plan can say that it makes no sense; those that are
            always durations, such as `within`, need none
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, _MARK, phase)
        setattr(function, _READERS, readers)
        return function

    return mark


def phase_of(function: Callable[..., object]) -> Phase | None:
    """Return the phase that `@step` gave to a function, or None for a function that is not ours."""
    phase: Phase | None = getattr(function, _MARK, None)
    return phase


def readers_of(function: Callable[..., object]) -> Mapping[str, Reader]:
    """Return what `@step` was told about the arguments of a function."""
    readers: Mapping[str, Reader] = getattr(function, _READERS, {})
    return readers
