"""Keep the replay of WAL from making a tablespace where the original's lies: on its own machine it would be its."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.recover import RecoveryFailed
from chaoslab.postgres.snapshot import ask

_TABLESPACES = """
SELECT oid::text, spcname, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''
"""


def guard_tablespaces(source: str) -> Callable[[Path], None]:
    """Return a guard that refuses a backup older than a tablespace of the source whose place is on this machine.

    Args:
        source: the original's DSN

    Raises:
        ConnectFailed: it cannot be reached.
    """
    with connect(source, who="the source") as connection:
        known = ask(lambda: connection.execute(_TABLESPACES).fetchall(), "the tablespaces")

    def guard(data: Path) -> None:
        links = data / "pg_tblspc"
        restored = {path.name for path in links.iterdir()} if links.is_dir() else set()
        for number, name, place in known:
            if number not in restored and Path(place).exists():
                message = f"tablespace {name} is newer than the base backup: replay would make it again in {place}"
                raise RecoveryFailed([Difference("tablespace-made-since", name, message)])

    return guard
