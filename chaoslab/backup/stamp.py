"""The name of a set of backups: the UTC instant at which it was begun, as `20261121T020000Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_STAMP = re.compile(r"\d{8}T\d{6}Z")
_FORM = "%Y%m%dT%H%M%SZ"


def stamp_of(instant: datetime) -> str:
    """Return the name for an instant."""
    return instant.astimezone(UTC).strftime(_FORM)


def is_stamp(name: str) -> bool:
    """Say whether a name is one of a set; `20261399T000000Z` is not, there is no such day."""
    if not _STAMP.fullmatch(name):
        return False
    try:
        instant_of(name)
    except ValueError:
        return False
    return True


def instant_of(stamp: str) -> datetime:
    """Return the instant that a name tells.

    Raises:
        ValueError: it tells none.
    """
    return datetime.strptime(stamp, _FORM).replace(tzinfo=UTC)
