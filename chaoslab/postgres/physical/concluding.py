"""The steps that prove a recovery to a point, measure what was lost, and say how far one could have gone back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaoslab.core.units import format_duration
from chaoslab.postgres.comparison.accepting import parse_accepted, with_accepted
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.comparison.verify import bootstrap_role
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical import proof, standin
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.rebuilding import open_to_clients
from chaoslab.postgres.physical.survey import Window, survey
from chaoslab.postgres.physical.wal import format_lsn
from chaoslab.postgres.programs.binaries import find_binaries_of
from chaoslab.postgres.proofs.amcheck import Checking, check_indexes
from chaoslab.postgres.recovery_point.evidence import beyond_objective
from chaoslab.postgres.recovery_point.heartbeat import (
    TABLE,
    Beat,
    RecoveryPoint,
    read_acknowledgements,
    read_beats,
    recovery_point,
)
from chaoslab.postgres.server import database_of
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.telling import objective_s, tell, tell_point
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step

REFERENCE = "reference.json"


@step("baseline")
def take_reference(stand_in: Mapping[str, Any], *, jobs: int = 2) -> dict[str, Any]:
    """Take the facts of the stand-in, to which its recovered copy will be compared.

    Args:
        stand_in: the output of `original`
        jobs: connections that read at the same time

    Raises:
        ConnectFailed, CannotRead: the stand-in cannot be read.
    """
    if stand_in.get("declared"):
        return {"path": ""}
    made = standin.opened(stand_in)
    path = made.scratch / REFERENCE
    path.write_text(json.dumps(proof.reference(made.dsn, jobs=jobs)))
    return {"path": str(path)}


@step("verify")
def prove(
    recovered: Mapping[str, Any],
    disaster: Mapping[str, Any],
    stand_in: Mapping[str, Any],
    reference: Mapping[str, Any],
    *,
    source: str = "",
    database: str = "",
    heartbeat_table: str = TABLE,
    jobs: int = 2,
    bin_dir: str = "",
    accept: str = "",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Prove both halves: what was committed before the point is there and as it was, and what came after is not.

    Args:
        recovered: the output of `recover`
        disaster: the output of `strike`
        stand_in: the output of `original`
        reference: the output of `take_reference`
        source, database: what it is compared with when the disaster was declared; its name, if that cannot tell
        heartbeat_table: tells which rows of the source are older than the recovery point
        jobs: connections that read at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        accept: differences that do not count, `code@where: reason; ...`
        deadline: how long pg_amcheck may take

    Raises:
        ConnectFailed, CannotRead: the recovered database cannot be read.
    """
    session, begun_s = current(), current().now_s()
    name = stand_in.get("database") or database or database_of(source)
    cluster = Cluster.open(Path(recovered["server"]))
    open_to_clients(session, dsn := cluster.dsn(name))
    if stand_in.get("declared"):
        found, rows = proof.compared_with_source(Live(source, dsn, bootstrap_role(source), jobs, heartbeat_table))
    else:
        found, rows = proof.compared(json.loads(Path(reference["path"]).read_text()), dsn, jobs=jobs)
        found += _both_halves(standin.opened(stand_in), dsn, disaster, exact=recovered["target"] != "latest")
    found += check_indexes(dsn, _checking(cluster, jobs, bin_dir, deadline))
    failures = recovered["failures"] + tell(session, with_accepted(found, parse_accepted(accept)))
    session.figure("rows", rows, "rows")
    session.figure("verify_s", round(session.now_s() - begun_s, 3), "s")
    return {"server": recovered["server"], "database": name, "failures": failures}


def _checking(cluster: Cluster, jobs: int, bin_dir: str, deadline: str) -> Checking:
    binaries = find_binaries_of(cluster.major, bin_dir)
    return Checking(binaries, jobs, seconds("deadline", deadline), current().check_abort)


def _both_halves(made: standin.StandIn, dsn: str, disaster: Mapping[str, Any], *, exact: bool) -> list[Difference]:
    """Hold the tables of the writers against their acknowledgements."""
    session, found = current(), []
    with connect(dsn, who="the recovered database") as connection:
        for table, acks in ((TABLE, made.acks), (proof.WORK, made.work_acks)):
            halves = proof.halves(
                table,
                acks,
                made.database,
                proof.ids(connection, table),
                before_s=disaster["point_mono_s"],
                after_s=disaster["after_mono_s"],
            )
            found += halves.differences(must_have_all=exact)
            if table == TABLE and not halves.acknowledged:
                message = "no commit was acknowledged before the point, so nothing shows that the recovery came near it"
                found.append(Difference("recovery-point-unknown", TABLE, message, severity="unknown"))
            word = table.partition(".")[2]
            session.figure(f"{word}_before", halves.acknowledged, "commits")
            session.figure(f"{word}_after", halves.after, "commits")
        found += proof.torn(connection)
    return found


@step("verify")
def measure_loss(
    recovered: Mapping[str, Any],
    proved: Mapping[str, Any],
    disaster: Mapping[str, Any],
    stand_in: Mapping[str, Any],
    *,
    source: str = "",
    heartbeat_acks: str = "",
    heartbeat_table: str = TABLE,
) -> dict[str, Any]:
    """Measure what was committed before the disaster and is not there after the recovery.

    Args:
        recovered: the output of `recover`
        proved: the output of `prove` or `smoke`
        disaster: the output of `strike`
        stand_in: the output of `original`
        source: its heartbeat tells, when the disaster was declared and there is no log of acknowledgements
        heartbeat_acks: the heartbeat writer's log of acknowledged beats; the stand-in has its own
        heartbeat_table: where the beats are

    Raises:
        ConnectFailed, CannotRead: a database cannot be read.
    """
    session = current()
    acks = str(standin.opened(stand_in).acks) if not stand_in.get("declared") else heartbeat_acks
    where = {"source": source, "acks": acks, "table": heartbeat_table}
    point = _point(proved, disaster, where)
    if point.lost_s is None:
        point = _from_last_commit(recovered["last_commit_at"], disaster)
    beyond = beyond_objective(point, objective_s(session, "rpo"))
    tell(session, [*point.differences, *([beyond] if beyond else [])])
    return tell_point(session, point)


def _point(proved: Mapping[str, Any], disaster: Mapping[str, Any], where: Mapping[str, str]) -> RecoveryPoint:
    """Work out the recovery point from the beats that are there and those that are known to have been committed."""
    dsn = Cluster.open(Path(proved["server"])).dsn(proved["database"])
    with connect(dsn, who="the recovered database") as connection:
        restored = read_beats(connection, where["table"])
    present = {beat.id for beat in restored or []}
    instant = (disaster["before_mono_s"], disaster["after_mono_s"])
    known = _acknowledged(where["acks"], proved["database"], instant[0])
    method = "acknowledgements"
    if not known and where["source"] and restored is not None:
        known, method, instant = _from_source(where["source"], where["table"], disaster)
    return recovery_point(known, present, disaster_s=instant, method=method)


def _acknowledged(acks: str, database: str, until_mono_s: float) -> list[Beat]:
    return read_acknowledgements(Path(acks), database, until_mono_s=until_mono_s) if acks else []


def _from_source(source: str, table: str, disaster: Mapping[str, Any]) -> tuple[list[Beat], str, tuple[float, float]]:
    with connect(source, who="the source") as connection:
        beats = read_beats(connection, table) or []
    instant = (disaster["before_at"], disaster["after_at"])
    return [beat for beat in beats if beat.known_s <= instant[1]], "heartbeat table", instant


def _from_last_commit(text: str, disaster: Mapping[str, Any]) -> RecoveryPoint:
    """Bound the loss by the last replayed commit; on an idle server nothing may have been lost at all."""
    try:
        last_s = datetime.fromisoformat(text).timestamp()
    except ValueError:
        return RecoveryPoint("unknown", reason="there is no heartbeat, and the server replayed no commit")
    return RecoveryPoint("last commit", (0.0, max(0.0, disaster["after_at"] - last_s)))


@step("verify")
def tell_window(repository: Mapping[str, Any], disaster: Mapping[str, Any]) -> dict[str, Any]:
    """Say how far one could have gone back: each base backup with the points to which its WAL leads.

    Args:
        repository: the output of `backups`
        disaster: the output of `strike`

    Raises:
        RepositoryFailed: the repository cannot be read.
    """
    session = current()
    offered = survey(open_repository(repository["tool"], **repository["where"]))
    for window in offered.windows:
        session.part(
            f"backup {window.backup.label}", outcome="ok" if window.reach.segments else "failed", **_row(window)
        )
    if offered.earliest_at:
        back_s = max(0.0, disaster["before_at"] - offered.earliest_at)
        session.figure("window_s", round(back_s, 1), "s")
        message = f"one could have gone back {format_duration(round(back_s))}, to {_at(offered.earliest_at)}"
        session.finding("recovery-window", severity="note", where="repository", message=message)
    session.figure("base_backups", len(offered.windows), "backups")
    return {"earliest_at": offered.earliest_at, "latest_at": offered.latest_at, "windows": len(offered.windows)}


def _row(window: Window) -> dict[str, Any]:
    found = window.reach
    return {
        "from": _at(window.backup.ended_at) if window.backup.ended_at else "not known",
        "until": _at(window.until_at) if window.until_at else "not known",
        "from_lsn": format_lsn(window.backup.stop_lsn),
        "until_lsn": format_lsn(found.end_lsn),
        "timeline": found.route.timeline,
        "segments": found.segments,
        "gaps": ", ".join(map(str, found.gaps)) or "none",
    }


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
