"""The recovery under test: what is right for each kind of damage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import connect
from chaoslab.postgres.corruption.settling import archive_now
from chaoslab.postgres.corruption.sound_backup import newest_sound
from chaoslab.postgres.physical import standin
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.preparing import stop_writers
from chaoslab.postgres.physical.recover import Recovering, RecoveryFailed
from chaoslab.postgres.physical.recover import recover as recover_to
from chaoslab.postgres.physical.repository import BaseBackup, Repository, RepositoryFailed
from chaoslab.postgres.physical.target import Target
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give
from chaoslab.postgres.servers.scratch import Scratch
from chaoslab.postgres.snapshot import ask
from chaoslab.postgres.telling import tell, watch_serving
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

_METHODS = {
    "heap": "newest backup and WAL",
    "backup": "newest backup that is whole, and WAL",
    "wal": "new backup",
    "index": "REINDEX",
}


class NoWayBack(ChaoslabError):
    """There is nothing to recover from; the findings say why."""


@dataclass(frozen=True, slots=True)
class _How:
    binaries: Binaries
    limit_s: float


@step("recover")
def recover(
    stand_in: Mapping[str, Any],
    settled: Mapping[str, Any],
    backups: Mapping[str, Any],
    *,
    bin_dir: str = "",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Come back from the damage, as the runbook says for its kind.

    A table or a backup: the newest base backup that is whole, and all of the WAL, restored beside the stopped server.
    An index: REINDEX. Archived WAL: a new base backup, which is restored, since no older one leads past the segment.

    Args:
        stand_in: the output of `stand_in`
        settled: the output of `settle`
        backups: the output of `back_up`
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long each part may take

    Raises:
        NoWayBack: no base backup is whole.
        ChaoslabError: the recovery failed; says how.
    """
    session, made, what = current(), standin.opened(stand_in), settled["what"]
    how, begun_s = _How(find_binaries(stand_in["major"], bin_dir), seconds("deadline", deadline)), session.now_s()
    if what == "index":
        _reindex(made, settled["relation"], how.limit_s)
        stop_writers(session)
        cluster = made.cluster
        session.mark("serving")
    else:
        watch = watch_serving(session, detects=False)  # from here on the damaged server gives way to the recovered one
        if what == "wal":
            _back_up_anew(session, made, Path(backups["folder"]), how)
        stop_writers(session)
        cluster = _bring_back(session, made, Path(backups["folder"]), how)
        watch.open_to_clients(cluster.dsn(made.database))
    stopped_mono_s = session.clock.mono()
    session.mark("restored")
    session.figure("recover_s", round(session.now_s() - begun_s, 3), "s")
    told = {"server": str(cluster.folder), "database": made.database, "method": _METHODS[what]}
    return {**told, "stopped_mono_s": stopped_mono_s}


def _reindex(made: standin.StandIn, index: str, limit_s: float) -> None:
    with connect(made.dsn, who="the stand-in", read_only=False, statement_timeout_s=limit_s) as connection:
        ask(lambda: connection.execute(f"REINDEX INDEX {index}"), f"the index {index}")


def _back_up_anew(session: Session, made: standin.StandIn, folder: Path, how: _How) -> None:
    path = folder / "base-new"
    take_base_backup(made.cluster, path, how.binaries, deadline_s=how.limit_s, watch=session.check_abort)
    archive_now(session, made)


def _choose(session: Session, repository: Repository, limit_s: float) -> BaseBackup:
    backup, passed = newest_sound(repository, deadline_s=limit_s, watch=session.check_abort)
    for one in passed:
        reasons = "; ".join(difference.message for difference in one.differences[:3])
        message = f"{one.backup.label} is not restored: {reasons}"
        session.finding("backup-passed-over", severity="warning", where=one.backup.label, message=message)
    if backup is None:
        message = f"none of {len(passed)} base backups is whole: there is nothing to recover from"
        session.finding("no-usable-backup", where=repository.name, message=message, expected=1, actual=0)
        raise NoWayBack(message)
    return backup


def _bring_back(session: Session, made: standin.StandIn, folder: Path, how: _How) -> Cluster:
    """Restore the newest whole backup beside the damaged server, replay the archived WAL to its end, and promote."""
    repository = open_repository("folder", backups=str(folder), wal=str(made.archive))
    made.cluster.stop("fast", how.limit_s)  # which archives what is written and not archived yet
    backup = _choose(session, repository, how.limit_s)
    tablespaces = made.scratch / "server-tablespaces"
    tablespaces.mkdir(mode=0o700)
    give(tablespaces, made.cluster.user)
    place = Recovering(
        folder=Scratch(made.scratch).server,
        tablespaces=tablespaces,
        binaries=how.binaries,
        deadline_s=how.limit_s,
        watch=session.check_abort,
        now_s=session.now_s,
        mark=session.mark,
    )
    try:
        recovered = recover_to(repository, backup, Target("latest"), place)
    except (RecoveryFailed, RepositoryFailed) as failed:
        tell(session, failed.differences)
        raise
    session.secrets.register(recovered.cluster.password)
    tell(session, recovered.differences)
    return recovered.cluster
