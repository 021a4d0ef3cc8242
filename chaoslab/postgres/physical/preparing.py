"""The steps before a disaster: a stand-in that may be lost, and base backups of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.binaries import find_binaries
from chaoslab.postgres.physical import standin
from chaoslab.postgres.scratch import Scratch
from chaoslab.postgres.server import server_major
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
    begun_s = session.now_s()
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
    try:
        made, found = standin.make(Scratch(Path(scratch["folder"])), binaries, wish)
    except standin.StandInFailed as failed:
        tell(session, failed.differences)
        raise
    session.secrets.register(made.cluster.password)
    tell(session, found)
    _start_writers(session, made, wish)
    session.figure("stand_in_s", round(session.now_s() - begun_s, 3), "s")
    return {**made.described(), "major": binaries.major}


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
