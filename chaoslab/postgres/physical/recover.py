"""Recover from a repository to a point in time, in a server of our own, whatever tool keeps the repository."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.fencing import fence, system_identifier
from chaoslab.postgres.physical.letting_in import let_us_in
from chaoslab.postgres.physical.replay import Replay
from chaoslab.postgres.physical.repository import BaseBackup, Repository
from chaoslab.postgres.physical.survey import gaps_behind
from chaoslab.postgres.physical.target import Target
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import PostgresFailed, ServerUser, run
from chaoslab.postgres.programs.tools import TookTooLong
from chaoslab.postgres.servers import postmaster
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give, make_passable, require_empty, write_private
from chaoslab.postgres.servers.ports import free_port
from chaoslab.postgres.servers.scratch import SUPERUSER
from chaoslab.runtime.clock import CLOCK

POLL_S = 0.01
_OUT_OF_WAL = {"recovery-target-not-reached", "wal-ends-before-backup", "recovery-start-missing", "recovery-failed"}
START_S = 60.0
"""A server that is not even a process by then never will be."""


class RecoveryFailed(ChaoslabError):
    """There is no recovered server; the findings say why."""

    def __init__(self, differences: list[Difference]) -> None:
        """Take the findings."""
        super().__init__(differences[0].message)
        self.differences = differences


@dataclass(frozen=True, slots=True)
class Recovering:
    """How a recovery is done."""

    folder: Path
    """Where the server is made: it must not exist or be empty."""
    tablespaces: Path
    """Below which the tablespaces are put."""
    binaries: Binaries
    """Of the backup's own major version."""
    deadline_s: float = 4 * 3600.0
    watch: Callable[[], None] = field(default=lambda: None)
    """Called again and again; what it raises stops the recovery."""
    now_s: Callable[[], float] = CLOCK.mono
    mark: Callable[[str, float], None] = field(default=lambda name, at_s: None)
    """Told each stage: fetched, started, consistent, replayed, promoted."""
    guard: Callable[[Path], None] = field(default=lambda data: None)
    """Called with the restored data folder before the server starts; what it raises keeps it from starting."""
    settings: dict[str, str | int] = field(default_factory=dict)
    """More settings of the recovered server."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A server that was recovered and promoted."""

    cluster: Cluster
    differences: list[Difference]
    stages: dict[str, float]
    """When each stage was reached, in seconds of the run."""
    end_lsn: str
    last_commit_at: str
    """When the last replayed transaction was committed, as the server's log has it."""


def recover(repository: Repository, backup: BaseBackup, target: Target, how: Recovering) -> Recovered:
    """Restore a base backup by its own tool, replay WAL to the target, and promote.

    Args:
        repository: where backup and WAL come from; it is only read
        backup: where to begin
        target: where to end
        how: the place, the programs and the deadline

    Raises:
        RepositoryFailed: the files of the backup could not be restored.
        RecoveryFailed: the server did not get to the target; the findings say why.
        PostgresFailed: the place is not usable.
    """
    until_s = CLOCK.mono() + how.deadline_s
    cluster = _place(how, repository.user)
    try:
        left_s = max(1.0, until_s - CLOCK.mono())
        repository.restore(backup, cluster.data, how.tablespaces, deadline_s=left_s, watch=how.watch)
        how.mark("fetched", how.now_s())
        _require_system(backup, cluster, how.binaries)
        settings = {"restore_command": repository.restore_command(), **target.settings(), **_words(how.settings)}
        found = fence(cluster, how.binaries, settings)
        how.guard(cluster.data)
        replay = _run_recovery(cluster, target, how, until_s)
        cluster = let_us_in(cluster, how.binaries)
    except RecoveryFailed as failed:
        if not _OUT_OF_WAL & {one.code for one in failed.differences}:
            raise
        raise RecoveryFailed([*gaps_behind(repository, backup), *failed.differences]) from None
    except TookTooLong as slow:
        raise RecoveryFailed([Difference("recovery-too-slow", "recovery", str(slow))]) from None
    except PostgresFailed as failed:
        raise RecoveryFailed([Difference("recovery-failed", "recovery", str(failed))]) from None
    return Recovered(cluster, found, replay.stages, replay.end_lsn, replay.last_commit_at)


def _words(settings: dict[str, str | int]) -> dict[str, str]:
    return {name: str(value) for name, value in settings.items()}


def _place(how: Recovering, user: ServerUser | None) -> Cluster:
    """Make the folders of a server whose data comes from elsewhere."""
    home = how.folder.absolute()
    require_empty(home)
    make_passable(home)
    cluster = Cluster(home, how.binaries.bin, how.binaries.major, SUPERUSER, secrets.token_urlsafe(18), user)
    for path in (cluster.data, home / "socket"):
        path.mkdir(mode=0o700)
        give(path, user)
    cluster.log.touch(mode=0o600)
    give(cluster.log, user)
    known = {name: value for name, value in asdict(cluster).items() if name != "folder"}
    write_private(home / "cluster.json", json.dumps({**known, "bin": str(cluster.bin)}, indent=1))
    write_private(home / "settings.json", json.dumps({"port": str(free_port())}))
    return cluster


def _require_system(backup: BaseBackup, cluster: Cluster, binaries: Binaries) -> None:
    """Refuse files that are another server's than the repository says."""
    actual = system_identifier(cluster.data, binaries, cluster)
    if backup.system_identifier and actual != backup.system_identifier:
        message = f"{backup.label} holds the files of another server than it says"
        raise RecoveryFailed(
            [
                Difference(
                    "backup-of-another-server", backup.label, message, expected=backup.system_identifier, actual=actual
                )
            ]
        )


def _run_recovery(cluster: Cluster, target: Target, how: Recovering, until_s: float) -> Replay:
    """Start the server and follow it until it takes connections; it is stopped when that does not come about."""
    replay = Replay(cluster.log, how.now_s)
    begun_s = how.now_s()
    command: list[str | Path] = [cluster.bin / "pg_ctl", "start", "-W", "-s", "-D", cluster.data, "-l", cluster.log]
    try:
        run(command, deadline_s=max(5.0, until_s - CLOCK.mono()), user=cluster.user)
        _follow(cluster, replay, how, until_s)
    except BaseException:
        cluster.stop("immediate")
        raise
    replay.stages.setdefault("started", begun_s)
    for stage, at_s in sorted(replay.stages.items(), key=lambda one: one[1]):
        how.mark(stage, at_s)
    return replay


def _follow(cluster: Cluster, replay: Replay, how: Recovering, until_s: float) -> None:
    seen, begun_s = False, CLOCK.mono()
    while not postmaster.is_ready(cluster.folder):
        how.watch()
        replay.look()
        running = cluster.pid() is not None
        if seen and not running:
            replay.look()
            raise RecoveryFailed([replay.reason()])
        if not running and "FATAL" in replay.text:
            raise RecoveryFailed([replay.reason()])
        seen = seen or running
        if not seen and CLOCK.mono() > begun_s + START_S:
            raise RecoveryFailed([replay.reason()])
        if CLOCK.mono() > until_s:
            message = f"recovery did not come to its end within {how.deadline_s:g} s"
            raise RecoveryFailed(
                [Difference("recovery-too-slow", "recovery", message, expected=f"{how.deadline_s:g} s")]
            )
        CLOCK.sleep(POLL_S)
    replay.look()
    if "promoted" not in replay.stages:
        raise RecoveryFailed([replay.reason()])
