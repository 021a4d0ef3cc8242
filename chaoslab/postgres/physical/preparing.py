"""The steps before a disaster: a stand-in that may be lost, and base backups of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.physical import standin
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.physical.disasters import DECLARED, require_disaster
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.server import server_major
from chaoslab.postgres.servers.scratch import Scratch
from chaoslab.postgres.telling import tell
from chaoslab.runtime.arguments import seconds, size_bytes
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

_MIB = 2**20
_writers: dict[str, standin.Writers] = {}
"""The writers of the run in progress, by run: steps of one drill share them."""


@step("baseline")
def stand_in(
    source: str,
    scratch: Mapping[str, str],
    *,
    jobs: int = 2,
    bin_dir: str = "",
    archive_timeout: str = "5s",
    wal_segment: str = "16MiB",
    beat_every: str = "50ms",
    work_every: str = "20ms",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Make a server of our own that holds what the source holds, archives its WAL, and is written to all the time.

    Args:
        source: the source's DSN; it is only read, by pg_dump
        scratch: the output of `scratch`
        jobs: connections that dump and restore at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        archive_timeout: after how long a segment is archived that is not full
        wal_segment: size of a WAL segment
        beat_every: how often a heartbeat is committed
        work_every: how often a transaction of the load is committed; `0s` for no load
        deadline: how long each program may take

    Raises:
        BadUsage: a size or a duration makes no sense.
        StandInFailed: nothing came of it; the findings say why.
        ChaoslabError: the source cannot be read; the server does not come up.
    """
    session = current()
    session.secrets.register_dsn(source)
    wish = standin.Likeness(
        source=source,
        jobs=jobs,
        archive_timeout_s=seconds("archive_timeout", archive_timeout),
        segment_mb=_whole_mib(wal_segment),
        beat_every_s=seconds("beat_every", beat_every),
        work_every_s=seconds("work_every", work_every),
        deadline_s=seconds("deadline", deadline),
        watch=session.check_abort,
    )
    binaries = find_binaries(server_major(source), bin_dir)
    made = _made(Scratch(Path(scratch["folder"])), binaries, wish)
    return {**made.described(), "major": binaries.major}


def _made(scratch: Scratch, binaries: Binaries, wish: standin.Likeness) -> standin.StandIn:
    """Make the stand-in and start those who write to it."""
    session, begun_s = current(), current().now_s()
    try:
        made, found = standin.make(scratch, binaries, wish)
    except standin.StandInFailed as failed:
        tell(session, failed.differences)
        raise
    session.secrets.register(made.cluster.password)
    tell(session, found)
    _start_writers(session, made, wish)
    session.figure("stand_in_s", round(session.now_s() - begun_s, 3), "s")
    return made


@step("baseline")
def original(source: str, scratch: Mapping[str, str], *, disaster: str, **how: Any) -> dict[str, Any]:
    """Make the stand-in to which the disaster will happen; none when the disaster is declared.

    Args:
        source: the source's DSN; it is only read
        scratch: the output of `scratch`
        disaster: which one; `declared` needs no stand-in
        how: see `stand_in`

    Raises:
        BadUsage: an argument makes no sense.
        ChaoslabError: the source cannot be read; the server does not come up.
    """
    require_disaster(disaster)
    if disaster != DECLARED:
        return {**stand_in(source, scratch, **how), "declared": False}
    current().secrets.register_dsn(source)
    return {"declared": True, "scratch": scratch["folder"], "server": "", "database": "", "major": 0}


@step("baseline")
def backups(
    stand_in: Mapping[str, Any],
    scratch: Mapping[str, str],
    *,
    tool: str = "folder",
    form: str = "plain",
    where: Mapping[str, str] | None = None,
    bin_dir: str = "",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Take a base backup of the stand-in; or, when the disaster is declared, open the repository that is there.

    Args:
        stand_in: the output of `original`
        scratch: the output of `scratch`
        tool: whose repository it is when the disaster is declared: `folder`, `pgbackrest` or `barman`
        form: of a new base backup: `plain`, `tar` or `tar.gz`
        where: where the repository is, see `open_repository`
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long the base backup may take

    Raises:
        BadUsage: an argument makes no sense.
        PostgresFailed: the base backup failed.
        RepositoryFailed: the repository cannot be read.
    """
    folder = Path(scratch["folder"])
    if stand_in["declared"]:
        given = {name: str(value) for name, value in (where or {}).items() if value not in ("", None)}
        return _opened(tool, {**given, "work": str(folder / "work"), "bin_dir": bin_dir})
    session, made = current(), standin.opened(stand_in)
    begun_s = session.now_s()
    binaries, deadline_s = find_binaries(stand_in["major"], bin_dir), seconds("deadline", deadline)
    target, watch = folder / "base" / "backup-1", session.check_abort
    take_base_backup(made.cluster, target, binaries, form=form, deadline_s=deadline_s, watch=watch)
    session.figure("base_backup_s", round(session.now_s() - begun_s, 3), "s")
    return {"tool": "folder", "where": {"backups": str(target.parent), "wal": str(made.archive), "bin_dir": bin_dir}}


def _opened(tool: str, where: dict[str, str]) -> dict[str, Any]:
    """Open the repository that is there, and see that it can be read."""
    session = current()
    try:
        known = open_repository(tool, **where).backups()
    except RepositoryFailed as failed:
        tell(session, failed.differences)
        raise
    session.figure("base_backup_bytes", max((one.bytes for one in known), default=0), "bytes")
    return {"tool": tool, "where": where}


def stop_writers(session: Session) -> None:
    """End the processes that commit to this run's stand-in. Harmless when there are none."""
    writers = _writers.pop(session.run_id, None)
    if writers is not None:
        writers.stop()


def _start_writers(session: Session, made: standin.StandIn, wish: standin.Likeness) -> None:
    for stale in list(_writers):
        _writers.pop(stale).stop()
    _writers[session.run_id] = standin.Writers(made, wish)


def _whole_mib(text: str) -> int:
    size = size_bytes("wal_segment", text)
    if size % _MIB or size // _MIB not in {2**power for power in range(11)}:
        raise BadUsage(f"wal_segment: {text!r} is no size of a segment; write 1MiB, 2MiB, 4MiB ... 1024MiB")
    return size // _MIB
