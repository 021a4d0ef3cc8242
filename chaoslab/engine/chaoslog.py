"""The logger of Chaos Toolkit: kept quiet, kept free of secrets, and listened to.

It is the only place where the engine says that a control has failed; it then goes on without that control.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

from chaoslab.core.errors import one_line
from chaoslab.runtime.secrets import Secrets

_NAME = "chaostoolkit"
_CONTROL_FAILED = re.compile(
    r"(?:Before|After)-control '(?P<hook>.+)' failed"
    r"|Control initialization '(?P<start>.+)' failed\b.*"
    r"|Control module '(?P<module>.+)' could not be loaded\b.*",
    re.DOTALL,
)


class _Redacting(logging.Filter):
    """Masks secrets in every record, whoever writes it somewhere afterwards."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._secrets.redact(record.getMessage()), None
        return True


class _InLines(logging.Formatter):
    """Keeps each message in its line, whatever a file calls its steps."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record), longest=4000)


class _Listening(logging.Handler):
    """Calls back when a control failed."""

    def __init__(self, on_control_failed: Callable[[str, str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._call = on_control_failed

    def emit(self, record: logging.LogRecord) -> None:
        if match := _CONTROL_FAILED.fullmatch(record.getMessage()):
            error = record.exc_info[1] if record.exc_info else None
            why = f"{type(error).__name__}: {error}" if error else "its module cannot be loaded"
            self._call(next(name for name in match.groups() if name), why)


@contextmanager
def listening(secrets: Secrets, *, on_control_failed: Callable[[str, str], None]) -> Iterator[None]:
    """Mask secrets in the engine's log and hear of controls that failed: their name and the error."""
    logger = logging.getLogger(_NAME)
    redacting, handler, level = _Redacting(secrets), _Listening(on_control_failed), logger.level
    logger.addFilter(redacting)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        logger.removeFilter(redacting)


def stand_in_for_logzero() -> None:
    """Let extensions be imported that still want logzero, as `chaos run` does."""
    module = ModuleType("logzero")
    module.__path__ = []
    module.__dict__["logger"] = logging.getLogger(_NAME)
    sys.modules.setdefault("logzero", module)


@contextmanager
def quiet(*, verbose: bool) -> Iterator[None]:
    """Keep the engine's log off the terminal, or with `verbose` on stderr; let old extensions import logzero."""
    stand_in_for_logzero()
    logger = logging.getLogger(_NAME)
    propagated, logger.propagate = logger.propagate, False
    handler = logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler()
    handler.setLevel(logging.INFO)
    handler.setFormatter(_InLines("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
