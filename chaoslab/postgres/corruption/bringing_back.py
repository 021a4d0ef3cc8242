"""Bring a server back from a base backup and the archived WAL, beside the damaged one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoslab.postgres.cluster import Cluster
from chaoslab.postgres.commands import PostgresFailed
from chaoslab.postgres.connect import ConnectFailed, connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.folders import give, make_passable, write_private
from chaoslab.postgres.physical.repository import BaseBackup, Repository
from chaoslab.postgres.ports import free_port
from chaoslab.postgres.snapshot import CannotRead, ask
from chaoslab.runtime.clock import CLOCK

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A base backup that is not fit to be restored, and why."""

    backup: BaseBackup
    differences: Sequence[Difference]


def newest_sound(
    repository: Repository, *, deadline_s: float, watch: Callable[[], None]
) -> tuple[BaseBackup | None, list[PassedOver]]:
    """Return the newest base backup whose files are what they must be, and those that were passed over for it.

    Args:
        repository: where they are
        deadline_s: seconds that checking one may take
        watch: called again and again; what it raises stops it

    Raises:
        RepositoryFailed: the repository cannot be read.
    """
    passed: list[PassedOver] = []
    for backup in reversed(repository.backups()):
        found = repository.check(backup, deadline_s=deadline_s, watch=watch)
        broken = [one for one in found if one.severity == "failure"]
        if not broken:
            return backup, passed
        passed.append(PassedOver(backup, broken))
    return None, passed


def bring_back(
    repository: Repository,
    backup: BaseBackup,
    damaged: Cluster,
    folder: Path,
    *,
    deadline_s: float,
    watch: Callable[[], None],
) -> Cluster:
    """Restore a base backup into a new folder, replay the archived WAL to its end, and promote.

    The recovered server archives nothing: the damaged one's archive stays as it is.

    Args:
        repository: where the backup and the WAL are
        backup: which one
        damaged: the server that it was made of; it is not touched
        folder: the home of the recovered server; it must not exist
        deadline_s: seconds that all of it may take
        watch: called again and again; what it raises stops it

    Raises:
        RepositoryFailed: the files could not be restored.
        PostgresFailed: the server does not come up, or does not come to the end of its recovery.
    """
    until_s = CLOCK.mono() + deadline_s
    make_passable(folder)
    tablespaces = folder.with_name(f"{folder.name}.tablespaces")
    for path in (folder / "data", folder / "socket", tablespaces):
        path.mkdir(mode=0o700)
        give(path, damaged.user)
    (folder / "server.log").touch(mode=0o600)
    give(folder / "server.log", damaged.user)
    repository.restore(backup, folder / "data", tablespaces, deadline_s=deadline_s, watch=watch)
    known = json.loads((damaged.folder / "cluster.json").read_text())
    write_private(folder / "cluster.json", json.dumps(known, indent=1))
    write_private(folder / "settings.json", json.dumps(damaged.settings, indent=1))
    cluster = Cluster.open(folder)
    cluster.configure(
        {
            "port": free_port(),
            "archive_mode": "off",
            "restore_command": repository.restore_command(),
            "recovery_target_timeline": "latest",
        }
    )
    write_private(cluster.data / "recovery.signal", "", cluster.user)
    cluster.start(max(1.0, until_s - CLOCK.mono()))
    while _replays(cluster):
        watch()
        if CLOCK.mono() > until_s:
            raise PostgresFailed(f"the recovery did not come to its end within {deadline_s:g} s")
        CLOCK.sleep(_POLL_S)
    return cluster


def _replays(cluster: Cluster) -> bool:
    try:
        with connect(cluster.dsn(), who="the recovered server") as connection:
            row = ask(lambda: connection.execute("SELECT pg_is_in_recovery()").fetchone(), "the recovered server")
    except (ConnectFailed, CannotRead):
        if cluster.pid() is None:
            reason = cluster.log_tail(1)
            raise PostgresFailed(f"the recovered server ended: {reason}") from None
        return True
    return row is None or bool(row[0])
