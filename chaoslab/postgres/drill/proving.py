"""The steps that prove the recovery: compare, use, and measure what was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaoslab.postgres.comparison.accepting import parse_accepted, with_accepted
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.comparison.verify import Verified, bootstrap_role, level_of
from chaoslab.postgres.comparison.verify import verify as verify_database
from chaoslab.postgres.drill.handover import binaries_for, opened
from chaoslab.postgres.proofs.amcheck import Checking
from chaoslab.postgres.proofs.amcheck import check_indexes as check_restored
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.proofs.row_security import parse_viewers
from chaoslab.postgres.proofs.smoke import run_check, run_smoke
from chaoslab.postgres.recovery_point.evidence import (
    Disaster,
    Evidence,
    backup_age,
    beyond_objective,
    measure_recovery_point,
)
from chaoslab.postgres.recovery_point.heartbeat import TABLE
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.telling import objective_s, tell, tell_point, watch_serving
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step


@step("verify")
def verify(
    source: str,
    backup: Mapping[str, Any],
    restored: Mapping[str, Any],
    *,
    jobs: int = 2,
    bin_dir: str = "",
    audit: Any = "",
    accept: str = "",
    heartbeat_table: str = TABLE,
    verification: str = "full",
    show_keys: bool = True,
    row_security_as: str = "",
) -> dict[str, Any]:
    """Compare the restored database with the facts of the dumped snapshot, or with the source as it is.

    Args:
        source: asked when the dump has no manifest, and which rows differ when some do
        backup: the output of `fetch`
        restored: the output of `restore`
        jobs: connections that scan at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        audit: how an audit log is chained, see `AuditRule`; '' for none
        accept: differences that do not count, `code@where: reason; ...`
        heartbeat_table: tells which rows of the source are older than the dump
        verification: `full` compares every row, `rta` what proves service: structure, counts, sequences
        show_keys: whether findings may name rows by their primary keys
        row_security_as: who reads tables with policies, `role, setting=value; ...`, besides the roles these name

    Raises:
        BadUsage, ConnectFailed, CannotRead: there is no such `verification`; a database cannot be read.
    """
    session, begun_s = current(), current().now_s()
    live = Live(
        source_dsn=source,
        restored_dsn=Cluster.open(Path(restored["server"])).dsn(restored["database"]),
        bootstrap="" if backup["with_manifest"] else bootstrap_role(source),
        jobs=jobs,
        heartbeat=heartbeat_table,
        audit=AuditRule.parse(audit),
        show_keys=show_keys,
        viewers=parse_viewers(row_security_as),
    )
    verified = verify_database(opened(backup, binaries_for(backup, bin_dir)), live, verification=verification)
    return {**restored, "failures": restored["failures"] + _told(session, verified, accept, begun_s)}


def _told(session: Session, verified: Verified, accept: str, begun_s: float) -> int:
    """Tell what verifying came to, and return how many failures it found."""
    _figures(session, verified, session.now_s() - begun_s)
    return tell(session, with_accepted(verified.differences, parse_accepted(accept)))


def _figures(session: Session, verified: Verified, took_s: float) -> None:
    session.figure("verify_s", round(took_s, 3), "s")
    session.figure("tables", verified.tables, "tables")
    session.figure("rows", verified.rows, "rows")
    session.figure("row_security_tried", verified.views, "views")


@step("verify")
def check_indexes(
    backup: Mapping[str, Any],
    verified: Mapping[str, Any],
    *,
    jobs: int = 2,
    bin_dir: str = "",
    accept: str = "",
    verification: str = "full",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Check the restored tables and indexes block by block with pg_amcheck, where that is installed.

    Args:
        backup: the output of `fetch`
        verified: the output of `verify`
        jobs: connections that check at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        accept: differences that do not count, `code@where: reason; ...`
        verification: `rta` leaves it out
        deadline: how long it may take

    Raises:
        BadUsage: there is no such `verification`.
        ConnectFailed, TookTooLong: the restored database cannot be checked.
    """
    if level_of(verification) != "data":
        return {**verified}
    session = current()
    begun_s = session.now_s()
    dsn = Cluster.open(Path(verified["server"])).dsn(verified["database"])
    how = Checking(binaries_for(backup, bin_dir), jobs, seconds("deadline", deadline), session.check_abort)
    failures = tell(session, with_accepted(check_restored(dsn, how), parse_accepted(accept)))
    session.figure("amcheck_s", round(session.now_s() - begun_s, 3), "s")
    return {**verified, "failures": verified["failures"] + failures}


@step("verify")
def smoke(
    verified: Mapping[str, Any],
    smoke_sql: str = "",
    service_check: str | Sequence[str] = "",
    deadline: str = "60s",
) -> dict[str, Any]:
    """Use the restored database as its service does; when all is well, it counts as verified.

    Args:
        verified: the output of `verify`
        smoke_sql: a query that must find something; '' for none
        service_check: the service's own check, a program that reads DATABASE_URL; '' for none
        deadline: how long each may take

    Raises:
        ConnectFailed: the restored database cannot be reached.
    """
    session = current()
    dsn = Cluster.open(Path(verified["server"])).dsn(verified["database"])
    timeout_s = seconds("deadline", deadline)
    found = [run_smoke(dsn, smoke_sql or "SELECT 1", timeout_s=timeout_s)]
    said = ""
    if service_check:
        broken, said = run_check(service_check, dsn, timeout_s=timeout_s, watch=session.check_abort)
        found.append(broken)
    failures = tell(session, [one for one in found if one is not None]) + verified["failures"]
    watch = watch_serving(session)
    if not failures:
        watch.await_answer()  # what is verified serves: a quick check must not be over before that was seen
        session.mark("verified")
    watch.stop()
    return {**verified, "failures": failures, "service": said}


@step("verify")
def check_recovery_point(
    source: str,
    backup: Mapping[str, Any],
    restored: Mapping[str, Any],
    disaster: Mapping[str, float],
    *,
    heartbeat_acks: str = "",
    heartbeat_table: str = TABLE,
    bin_dir: str = "",
) -> dict[str, Any]:
    """Measure what was committed before the disaster and is not there after the recovery.

    Args:
        source: its heartbeat tells what was committed where no log of acknowledgements does
        backup: the output of `fetch`
        restored: the output of `restore`, `verify` or `smoke`
        disaster: the output of `declare_disaster`
        heartbeat_acks: the heartbeat writer's log of acknowledged beats; '' for none
        heartbeat_table: where the beats are
        bin_dir: folder of PostgreSQL's programs; '' looks for them

    Raises:
        ConnectFailed, CannotRead: a database cannot be read.
    """
    session = current()
    evidence = Evidence(
        source_dsn=source,
        restored_dsn=Cluster.open(Path(restored["server"])).dsn(restored["database"]),
        backup=replace(opened(backup, binaries_for(backup, bin_dir)), database=restored["database"]),
        acknowledgements=Path(heartbeat_acks) if heartbeat_acks else None,
        table=heartbeat_table,
        made_by_drill=bool(backup["made_by_drill"]),
    )
    instant = Disaster(disaster["mono_s"], (disaster["source_low_s"], disaster["source_high_s"]))
    point = measure_recovery_point(evidence, instant)
    beyond = beyond_objective(point, objective_s(session, "rpo"))
    tell(session, [*point.differences, *([beyond] if beyond else []), backup_age(evidence, instant)])
    return tell_point(session, point)
