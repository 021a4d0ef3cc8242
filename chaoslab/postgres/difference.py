"""One difference between what a database should be and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chaoslab.postgres.codes import Severity


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, ready to become a finding."""

    code: str
    where: str
    message: str
    expected: Any = None
    actual: Any = None
    severity: Severity = "failure"
    kind: str = ""
    """The kind of structural fact it is about, such as `policies`; '' for rows and the rest."""
