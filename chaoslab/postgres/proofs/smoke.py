"""Use a restored database as its service does: one query, or the service's own check."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from chaoslab.postgres.connect import connect, load_psycopg, one_line
from chaoslab.postgres.difference import Difference
from chaoslab.runtime.clock import CLOCK

_POLL_S = 0.05
_SHOWN = 300


def run_smoke(dsn: str, sql: str, *, timeout_s: float) -> Difference | None:
    """Run one query; it must succeed and return at least one row whose first value is neither null nor false.

    Args:
        dsn: the restored database
        sql: the query; read-only
        timeout_s: seconds that it may take
    """
    psycopg = load_psycopg()
    with connect(dsn, who="the restored database", statement_timeout_s=timeout_s) as connection:
        try:
            cursor: Any = connection.execute(sql)
            row = cursor.fetchone() if cursor.description else (True,)
        except psycopg.Error as broken:
            return Difference("smoke-failed", "smoke query", f"the smoke query failed: {one_line(broken)}")
    if row is None or row[0] is None or row[0] is False:
        return Difference("smoke-failed", "smoke query", "the smoke query found nothing")
    return None


def run_check(
    command: str | Sequence[str], dsn: str, *, timeout_s: float, watch: Callable[[], None]
) -> tuple[Difference | None, str]:
    """Run the service's own check against the restored database; return what is wrong, and what it said.

    Args:
        command: program and arguments; text is split as a shell would, but no shell runs it
        dsn: given to it as DATABASE_URL
        timeout_s: seconds that it may take
        watch: called again and again meanwhile; what it raises stops the check
    """
    words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    try:
        with subprocess.Popen(
            words,
            env={**os.environ, "DATABASE_URL": dsn},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            said, timed_out = _wait(process, timeout_s, watch)
    except OSError as broken:
        reason = broken.strerror or str(broken)
        return _failed(f"the service's check could not be started: {reason}"), ""
    if timed_out:
        return _failed(f"the service's check did not end within {timeout_s:g} s"), said
    if process.returncode != 0:
        return _failed(f"the service's check failed (exit {process.returncode}): {said or 'no message'}"), said
    return None, said


def _wait(process: subprocess.Popen[bytes], timeout_s: float, watch: Callable[[], None]) -> tuple[str, bool]:
    until_s = CLOCK.mono() + timeout_s
    try:
        while True:
            watch()
            try:
                output, _ = process.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                if CLOCK.mono() > until_s:
                    process.kill()
                    return "", True
                continue
            lines = output.decode(errors="replace").strip().splitlines()
            return (lines[-1][:_SHOWN] if lines else ""), False
    except BaseException:
        process.kill()
        raise


def _failed(message: str) -> Difference:
    return Difference("service-check-failed", "service", message)
