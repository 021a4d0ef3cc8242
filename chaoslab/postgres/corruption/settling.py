"""The steps before the damage: what must come back is noted, base backups are made, WAL is archived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.connect import connect
from chaoslab.postgres.corruption.choosing import choose_relation
from chaoslab.postgres.corruption.detecting import chosen
from chaoslab.postgres.corruption.detectors.files import noted_checksums
from chaoslab.postgres.corruption.detectors.reading import reads
from chaoslab.postgres.corruption.detectors.seeing import Ground
from chaoslab.postgres.corruption.expecting import expected_facts
from chaoslab.postgres.physical import standin
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.programs.commands import run
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import write_private
from chaoslab.postgres.snapshot import ask
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

KINDS = ("heap", "index", "wal", "backup")
BACKUPS = "backups"
_ARCHIVED_WITHIN_S = 120.0
_POLL_S = 0.05
_SOME_RECORDS = "SELECT count(pg_logical_emit_message(true, 'chaoslab', repeat('x', 200))) FROM generate_series(1, 200)"


class NotSettled(ChaoslabError):
    """The stand-in is not fit to be damaged: nothing would be proved."""


@step("baseline")
def settle(
    stand_in: Mapping[str, Any],
    *,
    what: str = "heap",
    relation: str = "",
    detectors: str = "all",
    checksums: str = "on",
    jobs: int = 2,
    bin_dir: str = "",
    deadline: str = "1h",
) -> dict[str, Any]:
    """Note what must come back, choose what is hit, and restart the stand-in, so that its pages come from the disk.

    Args:
        stand_in: the output of `stand_in`
        what: what will be damaged: heap, index, wal or backup
        relation: the table, or the index, that is hit; '' chooses the largest
        detectors: `all` that can see that kind of damage, or names with commas between
        checksums: `off` takes the stand-in's page checksums away, for a source that has none
        jobs: connections that digest at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long each program may take

    Raises:
        BadUsage: `what`, `relation`, `detectors` or `checksums` says something that makes no sense.
        NotSettled: the stand-in cannot be read even now.
        ChaoslabError: the stand-in does not answer or does not come up again.
    """
    require_choices(what, checksums)
    chosen(detectors, what)
    limit_s, made = seconds("deadline", deadline), standin.opened(stand_in)
    cluster, binaries = made.cluster, find_binaries(stand_in["major"], bin_dir)
    with connect(made.dsn, who="the stand-in", read_only=False) as connection:
        _offer_amcheck(connection)
        # Frozen rows with their hint bits set: nobody has a reason to write those pages again.
        ask(lambda: connection.execute("VACUUM (FREEZE, ANALYZE)"), "the stand-in")
        hit = choose_relation(connection, "index" if what == "index" else "heap", relation)
    expected = expected_facts(made.dsn, jobs=jobs)
    write_private(made.scratch / "expected.json", json.dumps(expected))
    _require_readable(Ground(cluster, made.database, binaries, made.archive, deadline_s=limit_s))
    _restart(cluster, binaries, checksums=checksums == "on", deadline_s=limit_s)
    rows = sum(table["rows"] for table in expected["content"].values())
    return {"what": what, "relation": hit.name, "file": hit.file, "checksums": checksums == "on", "rows": rows}


@step("baseline")
def back_up(stand_in: Mapping[str, Any], *, count: int = 2, bin_dir: str = "", deadline: str = "4h") -> dict[str, Any]:
    """Make base backups of the stand-in, one after the other, and have the WAL after them archived.

    Args:
        stand_in: the output of `stand_in`
        count: how many; a broken newest one needs an older one
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long each may take

    Raises:
        BadUsage: `count` is less than one.
        PostgresFailed: pg_basebackup failed, also because it met a wrong page checksum.
        NotSettled: the stand-in's WAL does not reach its archive.
    """
    if count < 1:
        raise BadUsage(f"count: {count} makes no sense; there is nothing to recover from without a backup")
    session, made = current(), standin.opened(stand_in)
    binaries = find_binaries(stand_in["major"], bin_dir)
    begun_s, folder, taken = session.now_s(), made.scratch / BACKUPS, []
    for number in range(1, count + 1):
        path = folder / f"base-{number}"
        take_base_backup(
            made.cluster, path, binaries, deadline_s=seconds("deadline", deadline), watch=session.check_abort
        )
        taken.append(str(path))
        archive_now(session, made)
    session.figure("base_backups_s", round(session.now_s() - begun_s, 3), "s")
    sums = noted_checksums(made.archive, session.check_abort)
    write_private(made.scratch / "archive.json", json.dumps(sums))
    return {"folder": str(folder), "backups": taken}


def require_choices(what: str, checksums: str) -> None:
    """Refuse choices that make no sense.

    Raises:
        BadUsage: says what to choose of.
    """
    if what not in KINDS:
        raise BadUsage(f"what: '{what}' is nothing that is damaged here; choose one of {', '.join(KINDS)}")
    if checksums not in {"on", "off"}:
        raise BadUsage(f"checksums: '{checksums}' is neither on nor off")


def archive_now(session: Session, made: standin.StandIn) -> str:
    """Have the segment that is being written archived, and return its name.

    Raises:
        NotSettled: it does not arrive.
    """
    with connect(made.dsn, who="the stand-in", read_only=False) as connection:
        # A segment in which nothing was written yet would not be switched.
        _value(connection, _SOME_RECORDS)
        # The name first: afterwards the next one is being written.
        name = str(_value(connection, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())"))
        _value(connection, "SELECT pg_switch_wal()")
    until_s = session.now_s() + _ARCHIVED_WITHIN_S
    while not (made.archive / name).exists():
        if session.now_s() > until_s:
            raise NotSettled(f"segment {name} did not reach the archive within {_ARCHIVED_WITHIN_S:g} s")
        session.sleep(_POLL_S)
    return name


def _offer_amcheck(connection: Connection) -> None:
    """Make amcheck usable, where it is installed; where not, its detector says so."""
    if _value(connection, "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'"):
        ask(lambda: connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA chaoslab"), "amcheck")


def _require_readable(ground: Ground) -> None:
    seen = reads(ground)
    if seen.sight != "clean":
        raise NotSettled(f"the stand-in cannot be read before anything was damaged: {seen.message}")


def _restart(cluster: Cluster, binaries: Binaries, *, checksums: bool, deadline_s: float) -> None:
    cluster.stop("fast", deadline_s)
    if not checksums:
        disable: list[str | Path] = [binaries.program("pg_checksums"), "--disable", "-D", cluster.data]
        run(disable, deadline_s=deadline_s, user=cluster.user)
    cluster.start(deadline_s)


def _value(connection: Connection, query: str) -> Any:
    row = ask(lambda: connection.execute(query).fetchone(), "the stand-in")
    return row[0] if row else None
