"""A stand-in: a server of our own that holds what the source holds, and to which a disaster may happen.

SCRATCH/standin/         the server: data checksums, WAL archived into
SCRATCH/archive/         this folder
SCRATCH/writers.json     what the processes are told that keep committing, and note what was acknowledged in
SCRATCH/beats.acks, SCRATCH/work.acks
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.logical.backup import Wish, take_backup
from chaoslab.postgres.logical.restore import Restoring, restore_backup
from chaoslab.postgres.physical.archiving import archive_command
from chaoslab.postgres.physical.writers import TABLES
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give, write_private
from chaoslab.postgres.servers.scratch import SUPERUSER, Scratch
from chaoslab.runtime.clock import CLOCK

READY_S = 20.0
POLL_S = 0.02
NAME = "standin"
SETTINGS: dict[str, str | int] = {
    "wal_level": "replica",
    "archive_mode": "on",
    "max_wal_senders": 4,
    "max_connections": 60,
    "max_locks_per_transaction": 256,
    "shared_buffers": "64MB",
    "lc_messages": "C",
    # A killed server loses nothing that the kernel holds, and nobody pulls the plug of this machine.
    "fsync": "off",
    "wal_log_hints": "on",
}


class StandInFailed(ChaoslabError):
    """No stand-in came of the source; the findings say why."""

    def __init__(self, message: str, differences: list[Difference] | None = None) -> None:
        """Take the line for people, and the findings behind it."""
        super().__init__(message)
        self.differences = differences or []


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a stand-in is made."""

    source: str = field(repr=False)
    """The source's DSN; it is read, by pg_dump."""
    jobs: int = 2
    archive_timeout_s: float = 5.0
    """After so many seconds a segment is archived that is not full: the most that is lost with the server."""
    segment_mb: int = 16
    beat_every_s: float = 0.05
    work_every_s: float = 0.02
    """Seconds between two transactions of the load; 0 for none."""
    deadline_s: float = 4 * 3600.0
    watch: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True)
class StandIn:
    """A stand-in, known by its scratch folder: any step can open it again."""

    scratch: Path
    database: str

    @property
    def cluster(self) -> Cluster:
        """Its server."""
        return Cluster.open(self.scratch / NAME)

    @property
    def archive(self) -> Path:
        """Where its WAL is archived."""
        return self.scratch / "archive"

    @property
    def acks(self) -> Path:
        """The log of acknowledged beats."""
        return self.scratch / "beats.acks"

    @property
    def work_acks(self) -> Path:
        """The log of acknowledged transactions of the load."""
        return self.scratch / "work.acks"

    @property
    def dsn(self) -> str:
        """How to reach its database, with the password."""
        return self.cluster.dsn(self.database)

    def described(self) -> dict[str, Any]:
        """Return it as plain data, without a password."""
        return {"scratch": str(self.scratch), "server": str(self.scratch / NAME), "database": self.database}


def opened(described: Any) -> StandIn:
    """Return the stand-in that a step handed over."""
    return StandIn(Path(described["scratch"]), described["database"])


def make(scratch: Scratch, binaries: Binaries, wish: Likeness) -> tuple[StandIn, list[Difference]]:
    """Make a server with data checksums and WAL archiving, and fill it from the source, roles included.

    Args:
        scratch: the run's scratch folder
        binaries: server programs at least as new as the source
        wish: what it is filled from and how

    Raises:
        ConnectFailed, CannotRead, BackupFailed: the source cannot be read.
        PostgresFailed: the server does not come up.
        StandInFailed: the source could not be restored into it.
    """
    cluster = _server(scratch, binaries, wish)
    how = Wish(jobs=wish.jobs, compression=0, deadline_s=wish.deadline_s, watch=wish.watch)
    dump = take_backup(wish.source, scratch.backup, binaries, how)
    into = Restoring(scratch, cluster, binaries, jobs=wish.jobs, deadline_s=wish.deadline_s, watch=wish.watch)
    restored = restore_backup(dump, into)
    found = [one for one in restored.differences if one.severity == "failure"]
    if found or not restored.usable:
        reason = found[0].message if found else "no database came of the restore"
        raise StandInFailed(f"the source could not be copied into the stand-in: {reason}", found)
    for path in dump.files:
        path.unlink()
    made = StandIn(scratch.folder, restored.database)
    with connect(made.dsn, who="the stand-in", read_only=False) as connection:
        connection.execute(TABLES)
        connection.execute("CHECKPOINT")
    return made, restored.differences


def _server(scratch: Scratch, binaries: Binaries, wish: Likeness) -> Cluster:
    """Make and start an empty server that archives its WAL."""
    archive = scratch.folder / "archive"
    archive.mkdir(mode=0o700)
    give(archive, server_user())
    settings: dict[str, str | int] = {
        **SETTINGS,
        "archive_command": archive_command(archive),
        "archive_timeout": f"{max(1, round(wish.archive_timeout_s))}s",
    }
    cluster = Cluster.create(
        scratch.folder / NAME,
        binaries,
        superuser=SUPERUSER,
        settings=settings,
        checksums=True,
        wal_segment_mb=wish.segment_mb,
    )
    cluster.start()
    return cluster


class Writers:
    """The processes that commit to a stand-in: they end with `stop`, with us, or with the scratch folder."""

    def __init__(self, stand_in: StandIn, wish: Likeness) -> None:
        """Start them.

        Raises:
            StandInFailed: nothing is acknowledged within some seconds.
        """
        config = {
            "name": stand_in.database,
            "dsn": stand_in.dsn,
            "acks": str(stand_in.acks),
            "interval_s": wish.beat_every_s,
            "work_acks": str(stand_in.work_acks),
            "work_every_s": wish.work_every_s,
        }
        path, log = stand_in.scratch / "writers.json", stand_in.scratch / "writers.log"
        write_private(path, json.dumps(config))
        command = [sys.executable, "-m", "chaoslab.postgres.physical.writers", "--config", str(path)]
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # its end tells them that we are gone, however we went
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        try:
            self._await_first(stand_in, work=wish.work_every_s > 0)
        except BaseException:
            self.stop()
            raise

    def _await_first(self, stand_in: StandIn, *, work: bool) -> None:
        until_s = CLOCK.mono() + READY_S
        wanted = [stand_in.acks, *([stand_in.work_acks] if work else [])]
        while not all(path.exists() and path.stat().st_size for path in wanted):
            if self._process.poll() is not None or CLOCK.mono() > until_s:
                raise StandInFailed("the stand-in's writers do not get anything acknowledged")
            CLOCK.sleep(POLL_S)

    def stop(self) -> None:
        """End them; a second call does nothing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
