"""Does the server archive its WAL? By what it says itself, pg_stat_archiver. Pure."""

from __future__ import annotations

from chaoslab.backup.freshness.judge_age import SKEW_S
from chaoslab.backup.freshness.source import Server
from chaoslab.core.units import format_duration, format_size
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.wal import parse_segment

WHERE = "pg_stat_archiver"
IDLE_BYTES = 64 * 1024
"""A server without work writes less than this into its open segment: checkpoints and little else."""


def waiting_bytes(server: Server) -> int | None:
    """Return how much WAL the server has written that is not archived; None when nothing was archived yet."""
    segment = parse_segment(server.last_archived, server.segment_bytes)
    if segment is None:
        return None
    return max(0, server.lsn - (segment.number + 1) * server.segment_bytes)


def is_idle(server: Server) -> bool:
    """Say whether an old archive means only that there was nothing to archive."""
    waiting = waiting_bytes(server)
    return waiting is not None and waiting <= IDLE_BYTES and not is_failing(server)


def is_failing(server: Server) -> bool:
    """Say whether the last attempt to archive failed."""
    return server.last_failed_s is not None and server.last_failed_s > (server.last_archived_s or 0.0)


def judge_archiver(server: Server, *, max_age_s: float, wal_expected: bool) -> list[Difference]:
    """Say what is wrong with the archiving of a server.

    Args:
        server: what it says
        max_age_s: how old the newest archived segment may be while the server is writing
        wal_expected: whether recovery counts on archived WAL
    """
    if server.archive_mode == "off":
        severity = "failure" if wal_expected else "warning"
        message = (
            "archive_mode is off: no WAL is archived, so what is newer than the last backup is lost with the server"
        )
        return [Difference("archive-off", WHERE, message, "on", "off", severity)]  # type: ignore[arg-type]
    found = []
    if is_failing(server):
        since = "ever" if server.last_archived_s is None else f"for {_ago(server, server.last_archived_s)}"
        message = (
            f"archiving fails: {server.last_failed} was not taken {_ago(server, server.last_failed_s)} ago,"
            f" {server.failed} failures in all, and nothing was archived {since}"
        )
        found.append(Difference("archive-failing", WHERE, message, "the last attempt succeeded", server.last_failed))
    elif server.last_archived_s is None:
        message = "archiving is on, and not one segment has been archived since the statistics began"
        found.append(Difference("archive-stopped", WHERE, message, "an archived segment", None))
    elif server.now_s - server.last_archived_s > max_age_s and not is_idle(server):
        waiting = waiting_bytes(server)
        amount = f", and {format_size(waiting)} of WAL wait" if waiting else ""
        message = f"the last segment was archived {_ago(server, server.last_archived_s)} ago{amount}"
        allowed = f"at most {format_duration(max_age_s)}"
        found.append(Difference("archive-stopped", WHERE, message, allowed, _ago(server, server.last_archived_s)))
    if server.archive_timeout_s == 0 or server.archive_timeout_s > max_age_s:
        what = "is not set" if server.archive_timeout_s == 0 else f"is {format_duration(server.archive_timeout_s)}"
        message = f"archive_timeout {what}: a segment is archived when it is full, however long that takes"
        allowed = f"at most {format_duration(max_age_s)}"
        actual = format_duration(server.archive_timeout_s)
        found.append(Difference("archive-timeout-long", "archive_timeout", message, allowed, actual, "warning"))
    return found


def judge_clock(server: Server) -> list[Difference]:
    """Say that two clocks are not in step: every age is wrong by as much."""
    low_s, high_s = server.skew_s
    if low_s <= SKEW_S and high_s >= -SKEW_S:
        return []
    ahead_s = (low_s + high_s) / 2
    message = (
        f"the server's clock is {format_duration(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'}"
        " this machine's: every age here is wrong by as much"
    )
    return [Difference("clock-skew", "clock", message, "in step", f"{ahead_s:+.0f} s", "unknown")]


def _ago(server: Server, instant_s: float | None) -> str:
    return format_duration(max(0.0, server.now_s - (instant_s or server.now_s)))
