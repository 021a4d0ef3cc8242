"""Ask the server that is backed up: which databases it has, and how its archiving goes. Reads only.

Two small queries of the catalogue: a role that may connect can ask them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chaoslab.postgres.connect import connect
from chaoslab.postgres.snapshot import ask
from chaoslab.runtime.clock import CLOCK

TIMEOUT_S = 10.0

_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
_ARCHIVER = """
    SELECT current_setting('archive_mode'),
        (SELECT extract(epoch FROM make_interval(secs => setting::int))::float8
            FROM pg_settings WHERE name = 'archive_timeout'),
        (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
        a.archived_count, a.last_archived_wal, extract(epoch FROM a.last_archived_time)::float8,
        a.failed_count, a.last_failed_wal, extract(epoch FROM a.last_failed_time)::float8,
        (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
            - '0/0'::pg_lsn)::bigint,
        extract(epoch FROM clock_timestamp())::float8
    FROM pg_stat_archiver a
"""


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself. Instants are seconds since 1970 by its own clock."""

    databases: tuple[str, ...]
    archive_mode: str
    archive_timeout_s: float
    """0 when a segment is archived only once it is full."""
    segment_bytes: int
    archived: int
    last_archived: str
    last_archived_s: float | None
    failed: int
    last_failed: str
    last_failed_s: float | None
    lsn: int
    """How far the log has been written."""
    now_s: float
    skew_s: tuple[float, float]
    """By how much its clock is ahead of this machine's, between the two."""


def ask_server(dsn: str) -> Server:
    """Ask a server for its databases and its archiving.

    Raises:
        ConnectFailed: it cannot be reached.
        CannotRead: it does not answer.
    """
    with connect(dsn, who="the source", statement_timeout_s=TIMEOUT_S) as connection:
        names = ask(lambda: connection.execute(_DATABASES).fetchall(), "the list of databases")
        before_s = CLOCK.wall().timestamp()
        row: Any = ask(lambda: connection.execute(_ARCHIVER).fetchone(), "pg_stat_archiver")
        after_s = CLOCK.wall().timestamp()
    mode, timeout_s, segment, archived, last, last_s, failed, bad, bad_s, lsn, now_s = row
    return Server(
        databases=tuple(name for (name,) in names),
        archive_mode=mode,
        archive_timeout_s=timeout_s,
        segment_bytes=segment,
        archived=archived,
        last_archived=last or "",
        last_archived_s=last_s,
        failed=failed,
        last_failed=bad or "",
        last_failed_s=bad_s,
        lsn=lsn,
        now_s=now_s,
        skew_s=(now_s - after_s, now_s - before_s),
    )
