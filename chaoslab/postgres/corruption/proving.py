"""The proof: nothing of the damage is left, everything that was noted is there, and so is what was acknowledged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.connect import connect
from chaoslab.postgres.corruption.detecting import DETECTORS, detect
from chaoslab.postgres.corruption.detectors.seeing import Ground
from chaoslab.postgres.corruption.expecting import expected_facts
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical import proof, standin
from chaoslab.postgres.physical.proof import WORK
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.proofs.smoke import run_smoke
from chaoslab.postgres.recovery_point.evidence import beyond_objective
from chaoslab.postgres.recovery_point.heartbeat import TABLE, RecoveryPoint, read_acknowledgements, recovery_point
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.snapshot import CannotRead
from chaoslab.postgres.telling import end_watch, objective_s, tell, tell_point
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

_AGAIN = ("reads", "page-checksums", "amcheck")
"""Detectors that look at what was recovered."""


@step("verify")
def verify(
    stand_in: Mapping[str, Any],
    recovered: Mapping[str, Any],
    *,
    smoke_sql: str = "",
    jobs: int = 2,
    bin_dir: str = "",
    deadline: str = "1h",
) -> dict[str, Any]:
    """Prove the recovery: no detector sees damage any more, all facts are as noted, nothing acknowledged is missing.

    Args:
        stand_in: the output of `stand_in`
        recovered: the output of `recover`
        smoke_sql: what the service lives on; it must return a row whose first value is neither null nor false
        jobs: connections that digest at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long each detector may look

    Raises:
        ChaoslabError: the recovered database cannot be read.
    """
    session, made = current(), standin.opened(stand_in)
    begun_s, cluster = session.now_s(), Cluster.open(Path(recovered["server"]))
    ground = Ground(
        cluster=cluster,
        database=made.database,
        binaries=find_binaries(stand_in["major"], bin_dir),
        archive=made.archive,
        deadline_s=seconds("deadline", deadline),
        watch=session.check_abort,
    )
    found, rows = _compared(session, made, ground, jobs)
    point, lost = _acknowledged(made, ground.dsn, recovered["stopped_mono_s"])
    beyond = beyond_objective(point, objective_s(session, "rpo"))
    smoke = run_smoke(ground.dsn, smoke_sql or "SELECT 1", timeout_s=ground.deadline_s)
    also = [one for one in (beyond, smoke) if one is not None]
    failures = tell(session, [*found, *point.differences, *lost, *also])
    tell_point(session, point)
    end_watch(session)
    if not failures:
        session.mark("verified")
    session.figure("verify_s", round(session.now_s() - begun_s, 3), "s")
    session.figure("rows", rows, "rows")
    return {**recovered, "failures": failures}


def _compared(session: Session, made: standin.StandIn, ground: Ground, jobs: int) -> tuple[list[Difference], int]:
    """Return what detectors see and what differs from what was noted, and the number of rows that were compared."""
    found = _still_damaged(session, ground)
    expected = json.loads((made.scratch / "expected.json").read_text())
    try:
        now = expected_facts(ground.dsn, jobs=jobs)
    except CannotRead as broken:
        tell(session, [*found, Difference("damage-still-there", "rows", str(broken))])
        raise
    return found + compare(expected, now), sum(table["rows"] for table in now["content"].values())


def _still_damaged(session: Session, ground: Ground) -> list[Difference]:
    found = []
    for one in detect([DETECTORS[name] for name in _AGAIN], ground, session.now_s):
        if one.seen.sight == "saw":
            message = f"the recovered database is damaged, by {one.detector.name}: {one.seen.message}"
            found.append(Difference("damage-still-there", one.detector.name, message))
    return found


def _acknowledged(made: standin.StandIn, dsn: str, until_mono_s: float) -> tuple[RecoveryPoint, list[Difference]]:
    """Hold what clients were told against what is there."""
    with connect(dsn, who="the recovered database") as connection:
        beats, work = set(proof.ids(connection, TABLE)), set(proof.ids(connection, WORK))
        found = proof.torn(connection)
    known = read_acknowledgements(made.acks, made.database, until_mono_s=until_mono_s)
    # The last acknowledged beat is where the loss would begin: what nobody was told of is not lost.
    instant = known[-1].known_s if known else until_mono_s
    point = recovery_point(known, beats, disaster_s=(instant, instant), method="acknowledgements")
    done = read_acknowledgements(made.work_acks, made.database, until_mono_s=until_mono_s)
    lost = [one.id for one in done if one.id not in work]
    if lost:
        message = f"{len(lost)} of {len(done)} acknowledged transactions are not there, the first is {lost[0]}"
        kept = len(done) - len(lost)
        found.append(Difference("acknowledged-lost", WORK, message, expected=len(done), actual=kept))
    return point, found
