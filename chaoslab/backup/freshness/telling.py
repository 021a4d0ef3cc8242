"""Tell the session what was found, and keep which databases it was about for the rows of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaoslab.backup.freshness.survey import Seen, kept
from chaoslab.postgres import telling
from chaoslab.postgres.difference import Difference
from chaoslab.runtime.session import Session

Told = dict[str, Any]
"""What a probe returns: figures, and the databases that are `failed` or `unknown` by it."""


def told(session: Session, found: Sequence[Difference]) -> Told:
    """Make findings of differences; return the databases that they speak against."""
    telling.tell(session, found)
    return {
        "failed": _databases(found, "failure"),
        "unknown": _databases(found, "unknown"),
        "findings": len(found),
    }


def places_of(stock: Mapping[str, Any]) -> list[Seen]:
    """Return what `take_stock` saw."""
    return kept(Path(stock["file"]))


def _databases(found: Iterable[Difference], severity: str) -> list[str]:
    """Return what stands before the first slash: the finding of a database begins with its name."""
    return sorted({one.where.partition("/")[0] for one in found if one.severity == severity and one.where[:1] != "/"})
