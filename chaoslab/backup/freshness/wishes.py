"""Read what the drill's variables say: places, zones, names, shares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from chaoslab.backup.freshness.dumps import Reading
from chaoslab.backup.freshness.names import BadPattern, compiled
from chaoslab.backup.freshness.places import FolderPlace, Place
from chaoslab.core.errors import BadUsage
from chaoslab.postgres.telling import objective_s
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import Session

Words = str | Sequence[str]
"""Several values: a list, or a text in which `;` or a new line parts them."""
S3 = "s3://"
DEFAULT_WAL_AGE_S = 900.0


def listed(value: Words) -> tuple[str, ...]:
    """Return the values of a list that may have been written as one text."""
    words = re.split(r"[;\n]", value) if isinstance(value, str) else [str(word) for word in value]
    return tuple(word.strip() for word in words if word.strip())


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name, `UTC` or `Europe/Zurich`.

    Raises:
        BadUsage: this machine knows none of that name.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise BadUsage(f"timezone: {name!r} is no time zone of this machine; write UTC or Europe/Zurich") from None


def reading_of(timezone: str, pattern: str) -> Reading:
    """Return how names of dumps are to be read.

    Raises:
        BadUsage: the zone or the pattern makes no sense.
    """
    try:
        return Reading(zone_of(timezone), compiled(pattern) if pattern else None)
    except BadPattern as bad:
        raise BadUsage(f"pattern: {bad}") from None


def place_of(address: str, endpoint: str = "") -> Place:
    """Return the place at an address: a folder, or `s3://bucket/prefix`.

    Raises:
        BadUsage: it is neither.
    """
    if address.startswith(S3):
        from chaoslab.backup.freshness.objects import object_place

        return object_place(address, endpoint)
    if "://" in address:
        raise BadUsage(f"{address}: write the path of a folder, or s3://BUCKET/PREFIX")
    return FolderPlace(Path(address).expanduser().absolute())


def wal_age_s(session: Session, max_wal_age: str) -> float:
    """Return how old the newest archived WAL may be: as set, or what the run's objective allows.

    Raises:
        BadUsage: it is no duration.
    """
    if max_wal_age:
        return seconds("max_wal_age", max_wal_age)
    return objective_s(session, "rpo") or DEFAULT_WAL_AGE_S
