"""What a database must hold after the recovery: its facts, noted while all was well.

The writers of a stand-in go on all the time, so the tables that they write to are left out of the digests: the logs of
what was acknowledged prove those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaoslab.postgres.facts import collect_facts

WRITTEN = "chaoslab."
"""How the names begin of the tables that writers write to."""


def expected_facts(dsn: str, *, jobs: int = 2) -> dict[str, Any]:
    """Return the facts of a database without the rows that its writers change.

    Raises:
        ConnectFailed, CannotRead: it cannot be read.
    """
    facts = collect_facts(dsn, who="the stand-in", jobs=jobs)
    return {**facts, "content": _still(facts["content"])}


def content_of(dsn: str, *, jobs: int = 2) -> dict[str, Any]:
    """Return the digests of the tables that nobody writes to.

    Raises:
        ConnectFailed, CannotRead: they cannot be read.
    """
    return _still(collect_facts(dsn, who="the server", jobs=jobs)["content"])


def differing(expected: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the tables whose rows are not those that were noted."""
    return sorted(name for name in {*expected, *now} if expected.get(name) != now.get(name))


def _still(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: digest for name, digest in content.items() if not name.startswith(WRITTEN)}
