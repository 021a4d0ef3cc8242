"""Keep committing, and note on the client's side what was acknowledged: that is what a disaster can lose.

    python -m chaoslab.postgres.recovery_point.beating --config FILE

FILE holds {"databases": [{"name", "dsn"}, ...], "acks": FILE, "interval_s": 0.1}. Each database gets a row in
`chaoslab.heartbeat (id, at)` every interval; after each acknowledged commit, and only then, one line goes to the
acknowledgement log: `database id unix_time mono`, with the name quoted as in a URL. The log's predecessor is kept as
`FILE.1`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import connect, load_psycopg, one_line
from chaoslab.postgres.recovery_point.heartbeat import name_in_log
from chaoslab.runtime.clock import CLOCK

if TYPE_CHECKING:
    import psycopg

INTERVAL_S = 0.1
RETRY_S = 0.2
CONNECT_S = 3
ACKS_MAX_BYTES = 8 * 2**20
"""With the predecessor, three databases' acknowledgements of the last two to three hours."""
KEEP_ROWS = 500_000
"""Beats that a database keeps, some 30 MB. More than the log can ever name, which is 330 000 with one database alone:
an acknowledged beat that is not there was lost, not tidied away."""
TIDY_EVERY = 1000
INSERT = "INSERT INTO chaoslab.heartbeat (id, at) VALUES (%s, clock_timestamp())"
NEWEST = "SELECT coalesce(max(id), 0) FROM chaoslab.heartbeat"
TIDY = "DELETE FROM chaoslab.heartbeat WHERE id <= %s"


class AckLog:
    """The file of acknowledged beats, bounded in size; a line is written whole or not at all."""

    def __init__(self, path: Path, *, max_bytes: int = ACKS_MAX_BYTES) -> None:
        """Open the log to append to it.

        Args:
            path: the file
            max_bytes: when it is longer, it becomes FILE.1 and a new one begins
        """
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._file = self._open()

    def write(self, database: str, beat: int) -> None:
        """Note that a beat was acknowledged just now."""
        line = f"{name_in_log(database)} {beat} {CLOCK.wall().timestamp():.6f} {CLOCK.mono():.6f}\n".encode()
        with self._lock:
            if os.fstat(self._file).st_size + len(line) > self._max_bytes:
                os.close(self._file)
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._open()
            os.write(self._file, line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


class Writer:
    """Beats in one database until it is told to stop; a database that is away is tried again and again."""

    def __init__(self, name: str, dsn: str, acks: AckLog, *, interval_s: float, stopping: threading.Event) -> None:
        """Take where to write and how often (in seconds)."""
        self._name = name
        self._dsn = dsn
        self._acks = acks
        self._interval_s = interval_s
        self._stopping = stopping
        self._last = 0
        self._trouble = ""

    def run(self) -> None:
        """Beat until the event is set."""
        errors = (load_psycopg().Error, ChaoslabError, OSError)
        while not self._stopping.is_set():
            try:
                with connect(self._dsn, who=self._name, read_only=False, connect_timeout_s=CONNECT_S) as connection:
                    # After a commit that nobody acknowledged, the row may be there; after a restore, our newest ids
                    # may not. Either way a number is never used twice.
                    row = connection.execute(NEWEST).fetchone()
                    self._last = max(self._last, row[0] if row else 0)
                    self._tell("")
                    self._beat(connection)
            except errors as broken:
                self._tell(one_line(broken))
                self._stopping.wait(RETRY_S)

    def _beat(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        due = CLOCK.mono()
        while not self._stopping.is_set():
            beat = self._last + 1
            connection.execute(INSERT, (beat,))
            self._acks.write(self._name, beat)
            self._last = beat
            if beat % TIDY_EVERY == 0:
                connection.execute(TIDY, (beat - KEEP_ROWS,))
            # A fixed schedule; what a slow commit missed is left out, not made up for.
            due = max(due + self._interval_s, CLOCK.mono())
            self._stopping.wait(due - CLOCK.mono())

    def _tell(self, trouble: str) -> None:
        """Log when trouble begins, changes or ends, not every time it is met."""
        if trouble != self._trouble:
            print(f"{CLOCK.wall().timestamp():.3f} {self._name}: {trouble or 'beating again'}", flush=True)  # noqa: T201
            self._trouble = trouble


def beat(config: Mapping[str, Any], stopping: threading.Event) -> None:
    """Beat in all databases of a configuration until the event is set."""
    acks = AckLog(Path(config["acks"]))
    interval_s = float(config.get("interval_s", INTERVAL_S))
    writers = [
        Writer(database["name"], database["dsn"], acks, interval_s=interval_s, stopping=stopping)
        for database in config["databases"]
    ]
    run_until(stopping, [writer.run for writer in writers])


def run_until(stopping: threading.Event, jobs: Sequence[Callable[[], None]]) -> None:
    """Run jobs, each in a thread of its own, until the event is set, which they must heed themselves."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    stopping.wait()
    for thread in threads:
        thread.join(timeout=1.0)


def begin(prog: str, arguments: Sequence[str] | None) -> tuple[dict[str, Any], threading.Event]:
    """Return the configuration named by `--config FILE`, and an event that SIGTERM and SIGINT set."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return json.loads(given.config.read_text()), stopping


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the heartbeat from the command line."""
    beat(*begin("python -m chaoslab.postgres.recovery_point.beating", arguments))


if __name__ == "__main__":
    main()
