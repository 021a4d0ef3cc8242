"""The exit code of several exercises together."""

from collections.abc import Iterable

from chaoslab.core.errors import ExitCode

_SIGNALLED = 128
_WORST_FIRST = (
    ExitCode.BROKEN,
    ExitCode.USAGE,
    ExitCode.REFUSED,
    ExitCode.FAILED,
    ExitCode.INCONCLUSIVE,
)


def worst(codes: Iterable[int]) -> int:
    """Return the code that outranks the others: 13, interrupted, 1, 2, 12, 10, 11, 0."""
    given = list(codes)
    if ExitCode.RESIDUE in given:
        return ExitCode.RESIDUE
    if interrupted := [code for code in given if is_interruption(code)]:
        return interrupted[0]
    return next((code for code in _WORST_FIRST if code in given), max(given, default=ExitCode.PASSED))


def is_interruption(code: int) -> bool:
    """Say whether an exit code tells of a signal."""
    return code > _SIGNALLED
