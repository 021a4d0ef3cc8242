"""The step of the drill `backup-freshness` that asks a repository of physical backups how far recovery could go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaoslab.backup.freshness.judge_age import SKEW_S
from chaoslab.backup.freshness.judge_archiver import is_idle
from chaoslab.backup.freshness.judge_window import (
    WAL,
    Archive,
    judge_archive,
    judge_bases,
    judge_window,
    newest_segment,
    segment_size,
    stretches,
)
from chaoslab.backup.freshness.looking import server_of
from chaoslab.backup.freshness.telling import Told, told
from chaoslab.backup.freshness.wishes import wal_age_s
from chaoslab.core.errors import BadUsage
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.folder import FolderRepository
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.repository import BaseBackup, Repository, RepositoryFailed, WalFile
from chaoslab.postgres.physical.wal import Switch, history_of, parse_history
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step

FOLDER = "folder"
_ABSENT = "No such file or directory"


@step("verify")
def check_window(
    asked: Mapping[str, Any],
    *,
    repository: str = "",
    where: str | Mapping[str, str] = "",
    base_backups: str = "",
    wal: str = "",
    max_base_age: str = "8d",
    max_wal_age: str = "",
) -> Told:
    """Judge base backups and archived WAL: new enough, without gaps, and back to when recovery could go.

    Args:
        asked: the output of `ask_source`
        repository: whose repository it is: `pgbackrest`, `barman`, or `folder` (of `base_backups` and `wal`)
        where: where the tool's repository is: `stanza=main; config=/etc/pgbackrest.conf`
        base_backups: a folder of base backups by pg_basebackup
        wal: a folder of archived WAL
        max_base_age: how old the newest base backup may be
        max_wal_age: how old the newest archived WAL may be; '' takes the run's objective `rpo`

    Raises:
        BadUsage: a setting makes no sense.
    """
    session = current()
    if not (repository or base_backups or wal):
        return {**told(session, []), "files": 0, "lost_s": None, "readable": True}
    now_s, tool = session.clock.wall().timestamp(), repository not in ("", FOLDER)
    opened, server = _open(repository, where, base_backups, wal), server_of(asked)
    bases, files, found = _read(opened, with_bases=tool or bool(base_backups), with_wal=tool or bool(wal))
    archive, future = _without_future(_archive(opened, files, server.segment_bytes if server else 0), now_s)
    session.check_abort()
    if files is not None:
        idle = server is not None and is_idle(server)
        found += judge_archive(archive, now_s=now_s, max_age_s=wal_age_s(session, max_wal_age), idle=idle)
    if bases is not None:
        found += judge_bases(bases, now_s=now_s, max_age_s=seconds("max_base_age", max_base_age))
    until_s, reached = _reached(bases, files, archive)
    found += future + reached
    return {
        **told(session, found),
        "files": len(bases or ()) + len(files or ()),
        "lost_s": [max(0.0, now_s - until_s)] * 2 if until_s else None,
        "readable": not any(one.severity == "unknown" for one in found),
    }


def _reached(
    bases: list[BaseBackup] | None, files: list[WalFile] | None, archive: Archive
) -> tuple[float, list[Difference]]:
    """Return how far recovery goes in seconds since 1970 (0.0 for nowhere), and what is wrong on the way."""
    if files is None:
        return 0.0, []
    if bases is None:
        if newest_segment(archive) is None:
            return 0.0, []
        message = "WAL alone recovers nothing; name the base backups with `base_backups`, and the window can be told"
        return 0.0, [Difference("recovery-window-unknown", WAL, message, severity="warning")]
    reached = stretches(bases, archive)
    return max((one.until_s for one in reached), default=0.0), judge_window(reached, bases, archive)


def _open(repository: str, where: str | Mapping[str, str], base_backups: str, wal: str) -> Repository:
    if repository in ("", FOLDER):
        # The one that is not given stands for nothing and is never asked.
        return FolderRepository(Path(base_backups or wal).absolute(), Path(wal or base_backups).absolute())
    return open_repository(repository, **_options(where))


def _options(where: str | Mapping[str, str]) -> dict[str, str]:
    """Read `stanza=main; config=/etc/pgbackrest.conf`.

    Raises:
        BadUsage: it is something else.
    """
    if not isinstance(where, str):
        return {str(name): str(value) for name, value in where.items()}
    pairs = [piece.strip().partition("=") for piece in re.split(r"[;\n]", where) if piece.strip()]
    if any(not equals for _, equals, _ in pairs):
        raise BadUsage(f"where: {where!r} is no list of settings; write stanza=main; config=/etc/pgbackrest.conf")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _read(
    opened: Repository, *, with_bases: bool, with_wal: bool
) -> tuple[list[BaseBackup] | None, list[WalFile] | None, list[Difference]]:
    """Ask a repository for both; what it cannot tell is None, with the finding why."""
    found: list[Difference] = []
    bases: list[BaseBackup] | None = None
    files: list[WalFile] | None = None
    try:
        bases = opened.backups() if with_bases else None
    except RepositoryFailed as failed:
        found += _why(opened, failed)
    try:
        files = opened.wal() if with_wal else None
    except RepositoryFailed as failed:
        found += _why(opened, failed)
    return bases, files, list(dict.fromkeys(found))


def _why(opened: Repository, failed: RepositoryFailed) -> list[Difference]:
    """Return why a repository tells nothing: what is not there is a failure, what cannot be read is not known."""
    absent = _ABSENT in str(failed)
    told_by_it = [
        replace(one, severity="unknown") if "unreadable" in one.code and not absent else one
        for one in failed.differences
        if "unreadable" not in one.code or not absent
    ]
    if absent:
        return [*told_by_it, Difference("backup-place-absent", opened.name, str(failed), "a repository", None)]
    return told_by_it or [Difference("backup-place-unreadable", opened.name, str(failed), severity="unknown")]


def _archive(opened: Repository, files: list[WalFile] | None, segment_bytes: int) -> Archive:
    files = files or []
    histories = {}
    if isinstance(opened, FolderRepository):
        for file in files:
            timeline = history_of(file.name)
            if timeline is not None:
                histories[timeline] = _ancestors(opened.archive / file.name)
    return Archive(tuple(files), segment_size(files, segment_bytes), histories)


def _ancestors(path: Path) -> tuple[Switch, ...]:
    try:
        return parse_history(path.read_text(errors="replace"))
    except OSError:
        return ()  # packed, or not to be read: the timeline is known by its name alone


def _without_future(archive: Archive, now_s: float) -> tuple[Archive, list[Difference]]:
    """Leave out the dates that cannot be true: they would make an archive that stopped look alive."""
    late = [file for file in archive.files if file.archived_at > now_s + SKEW_S]
    if not late:
        return archive, []
    kept = tuple(replace(file, archived_at=0.0) if file in late else file for file in archive.files)
    message = f"{len(late)} archived files are dated in the future, {late[-1].name} among them: a clock was wrong"
    return replace(archive, files=kept), [Difference("backup-from-the-future", late[-1].name, message)]
