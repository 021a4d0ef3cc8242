"""Bring one database of a fleet back: check its dump, restore it, verify it, measure what was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Aborted, ChaoslabError
from chaoslab.postgres.comparison.accepting import Accepted, with_accepted
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.comparison.verify import bootstrap_role, level_of, verify
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.fleet.dumping import NOTHING
from chaoslab.postgres.fleet.members import Member, Server
from chaoslab.postgres.fleet.provisioning import Place
from chaoslab.postgres.logical.archive import Backup, Form, NotABackup, damage, open_backup
from chaoslab.postgres.logical.manifest import read_manifest
from chaoslab.postgres.logical.restore import Restoring, restore_backup
from chaoslab.postgres.proofs.amcheck import Checking, check_indexes
from chaoslab.postgres.proofs.smoke import run_smoke
from chaoslab.postgres.recovery_point.evidence import (
    Disaster,
    Evidence,
    backup_age,
    beyond_objective,
    measure_recovery_point,
)
from chaoslab.postgres.recovery_point.heartbeat import TABLE, RecoveryPoint
from chaoslab.postgres.snapshot import ask
from chaoslab.postgres.telling import tell
from chaoslab.runtime.session import Session

_SMOKE_S = 60.0


@dataclass(frozen=True)
class Recovering:
    """What the recovery of each database has in common with that of all."""

    session: Session
    server: Server
    place: Place
    restoring: Restoring
    disaster: Disaster | None
    """On this database's server; None when the server could not be asked for its clock."""
    since_s: float = 0.0
    """The mark `disaster`, in seconds of the run."""
    verification: str = "full"
    accepted: Sequence[Accepted] = ()
    smoke_sql: str = ""
    heartbeat_table: str = TABLE
    acknowledgements: Path | None = None
    objective_s: float | None = None


@dataclass
class Result:
    """What came of one database."""

    outcome: str = "unknown"
    figures: dict[str, Any] | None = None
    lost_s: tuple[float, float | None] | None = None
    method: str = ""
    """How that was learned."""
    restored_s: float = 0.0
    """When it was restored, in seconds of the run."""


def recover(member: Member, how: Recovering) -> Result:
    """Bring a database back and tell the session all about it; what is wrong with it stops no other."""
    result = Result(figures={})
    try:
        backup = _opened(member, how)
        failures = 0 if backup else 1
        if backup:
            failures += _restore(backup, member, how, result)
            failures += _verify(backup, member, how, result) if not failures else 0
            result.outcome = "failed" if failures else ("unknown" if how.verification == NOTHING else "ok")
        else:
            result.outcome = "failed"
    except Aborted:
        raise
    except ChaoslabError as broken:
        how.session.finding("database-not-verified", severity="unknown", where=member.name, message=str(broken))
    how.session.part(member.name, result.outcome, **(result.figures or {}))  # type: ignore[arg-type]
    return result


def _opened(member: Member, how: Recovering) -> Backup | None:
    """Return the dump when it is whole; one that was made a moment ago by this very run need not be read again."""
    path, roles = Path(member.path), Path(member.globals) if member.globals else None
    if member.made_by_drill:
        form: Form = "directory" if path.is_dir() else "custom"
        major = how.place.cluster.major
        return Backup(path, form, member.database, major, major, globals_path=roles, manifest=read_manifest(path))
    try:
        backup = open_backup(path, how.place.binaries, globals_path=roles)
    except NotABackup as broken:
        _tell(how, member, [broken.difference])
        return None
    if backup.database and backup.database != member.database:
        message = f"{backup.path.name} is a dump of database {backup.database}, not of {member.database}"
        _tell(how, member, [Difference("backup-of-another-database", backup.path.name, message)])
        return None
    watch = how.restoring.watch
    found = damage(backup, how.place.binaries, deadline_s=how.restoring.deadline_s, watch=watch)
    return None if _tell(how, member, found) else backup


def _restore(backup: Backup, member: Member, how: Recovering, result: Result) -> int:
    session, begun_s = how.session, how.session.now_s()
    restored = restore_backup(backup, how.restoring, database=member.database)
    failures = _tell(how, member, restored.differences)
    size, result.restored_s = _size_of(how, member), session.now_s()
    figures = {"restore_s": round(session.now_s() - begun_s, 3), "dump_bytes": backup.bytes, "restored_bytes": size}
    result.figures = {**(result.figures or {}), **figures}
    return failures if failures or restored.usable else 1


def _verify(backup: Backup, member: Member, how: Recovering, result: Result) -> int:
    if how.verification == NOTHING:
        return 0
    session, begun_s = how.session, how.session.now_s()
    source_dsn, restored_dsn = how.server.dsn_of(member.database), how.place.cluster.dsn(member.database)
    live = Live(
        source_dsn=source_dsn,
        restored_dsn=restored_dsn,
        bootstrap="" if backup.manifest else bootstrap_role(source_dsn),
        jobs=how.restoring.jobs,
        heartbeat=how.heartbeat_table,
    )
    verified = verify(backup, live, verification=how.verification)
    indexes = _indexes(restored_dsn, how)
    smoke = run_smoke(restored_dsn, how.smoke_sql or "SELECT 1", timeout_s=_SMOKE_S)
    failures = _tell(how, member, [*verified.differences, *indexes, *([smoke] if smoke else [])])
    figures = {"verify_s": round(session.now_s() - begun_s, 3), "rows": verified.rows}
    if not failures:
        figures["verified_s"] = round(session.now_s() - how.since_s, 3)
    result.figures = {**(result.figures or {}), **figures}
    return failures + _recovery_point(backup, member, how, result)


def _indexes(dsn: str, how: Recovering) -> list[Difference]:
    """Have every index checked against its table, unless only service is to be proved."""
    if level_of(how.verification) != "data":
        return []
    restoring = how.restoring
    return check_indexes(dsn, Checking(how.place.binaries, restoring.jobs, restoring.deadline_s, restoring.watch))


def _recovery_point(backup: Backup, member: Member, how: Recovering, result: Result) -> int:
    """Measure what was lost of this database."""
    evidence = Evidence(
        source_dsn=how.server.dsn_of(member.database),
        restored_dsn=how.place.cluster.dsn(member.database),
        backup=replace(backup, database=member.database),
        acknowledgements=how.acknowledgements,
        table=how.heartbeat_table,
        made_by_drill=member.made_by_drill,
    )
    if how.disaster is None:
        point = RecoveryPoint("unknown", reason="the clock of its server could not be asked at the disaster")
    else:
        point = measure_recovery_point(evidence, how.disaster)
        beyond = beyond_objective(point, how.objective_s)
        aged = [] if member.made_by_drill else [backup_age(evidence, how.disaster)]
        failures = _tell(how, member, [*point.differences, *([beyond] if beyond else []), *aged])
    result.lost_s, result.method = point.lost_s, point.method
    if point.lost_s is None:
        message = f"what was lost of {member.name} is not known: {point.reason}"
        how.session.finding(
            "recovery-point-unknown", severity="unknown", where=f"{member.name}/backup", message=message
        )
        return 0
    result.figures = {**(result.figures or {}), "lost_s": list(point.lost_s)}
    return failures


def _tell(how: Recovering, member: Member, found: Sequence[Difference]) -> int:
    """Tell differences with the database's name before the place, and return how many are failures."""
    placed = [replace(one, where=f"{member.name}/{one.where}") for one in with_accepted(found, how.accepted)]
    return tell(how.session, with_accepted(placed, how.accepted))


def _size_of(how: Recovering, member: Member) -> int:
    try:
        with connect(how.place.cluster.dsn("template1"), who="the scratch server") as connection:
            query = "SELECT pg_database_size(%s)"
            row = ask(lambda: connection.execute(query, [member.database]).fetchone(), member.name)
    except (ChaoslabError, OSError):
        return 0
    return int(row[0]) if row else 0


def restored_share(how: Recovering, member: Member) -> float:
    """Return how much of a database is restored, by its size on the scratch disk; verification is the last fifth."""
    return min(0.8, 0.8 * _size_of(how, member) / max(1, member.bytes))


def known_disaster(clocks: Mapping[str, Any], label: str) -> Disaster | None:
    """Return the instant of the disaster on a server's clock, as a step handed it over."""
    one = clocks.get(label)
    return Disaster(one["mono_s"], (one["source_low_s"], one["source_high_s"])) if one else None
