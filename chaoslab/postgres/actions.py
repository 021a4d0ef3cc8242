"""The steps of a restore drill. Each calls the library and tells the session what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.core.units import parse_duration
from chaoslab.postgres import scratch as scratches
from chaoslab.postgres.accepting import parse_accepted, with_accepted
from chaoslab.postgres.archive import Backup, NotABackup, damage, open_backup
from chaoslab.postgres.audit import AuditRule
from chaoslab.postgres.backup import Wish, dump_globals, take_backup
from chaoslab.postgres.binaries import Binaries, find_binaries
from chaoslab.postgres.cluster import Cluster
from chaoslab.postgres.fetch import fetch_backup
from chaoslab.postgres.heartbeat import TABLE
from chaoslab.postgres.live_rows import Live
from chaoslab.postgres.recovery import (
    Disaster,
    Evidence,
    backup_age,
    beyond_objective,
    measure_recovery_point,
    source_clock,
)
from chaoslab.postgres.restore import RestoreFailed, Restoring, restore_backup
from chaoslab.postgres.scratch import Scratch
from chaoslab.postgres.server import database_of, server_major
from chaoslab.postgres.smoke import run_check, run_smoke
from chaoslab.postgres.telling import objective_s, tell, watch_serving
from chaoslab.postgres.verify import bootstrap_role
from chaoslab.postgres.verify import verify as verify_database
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.session import current, has_session
from chaoslab.runtime.steps import step


class DrillStopped(ChaoslabError):
    """The drill cannot go on; its findings say why."""


def _make_scratch(data: Data) -> dict[str, str]:
    scratches.make(Path(data["folder"]), data["token"])
    return {"folder": data["folder"]}


def _remove_scratch(data: Data) -> None:
    scratches.remove(Path(data["folder"]), data["token"])


SCRATCH = Fault(inject=_make_scratch, undo=_remove_scratch, role="scratch", undo_deadline_s=120.0)


@step("baseline")
@SCRATCH.action
def scratch(folder: str = "", ttl: str = "12h") -> Pinned:
    """Make a scratch folder for the dump, its copy and the server that it is restored into.

    Args:
        folder: where to make it; '' means the system's folder for temporary files
        ttl: how long the drill may take at most

    Raises:
        ScratchFailed: the folder cannot be made.

    Blast radius: one new folder on this machine, and later a server in it that listens on loopback only.
    Undo: stops the server and everything that works in the folder, and removes the folder.
    Effective when: the folder is there; a scratch thing harms nobody.
    """
    base = Path(folder).absolute() if folder else scratches.default_base()
    run = current().run_id if has_session() else "plan"
    return Pinned(
        target=f"scratch folder in {base}",
        data={"folder": str(base / f"chaoslab-{run}"), "token": run},
        ttl_s=parse_duration(ttl),
    )


@step("baseline")
def take_or_open_backup(
    source: str,
    scratch: Mapping[str, str],
    backup: str = "",
    globals: str = "",
    *,
    format: str = "custom",
    jobs: int = 2,
    bin_dir: str = "",
    audit: Any = "",
    accept: str = "",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Dump the source, or take the dump that somebody else made.

    Args:
        source: the source's DSN; it is only read
        scratch: the output of `scratch`
        backup: a dump to restore instead of a new one: a file or folder of pg_dump
        globals: its roles (pg_dumpall --globals-only); `source` takes them from the source now; '' looks beside it
        format: of a new dump: custom or directory
        jobs: connections that dump and digest at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        audit: how an audit log is chained, see `AuditRule`; '' for none
        accept: differences that will not count, `code@where: reason; ...`; wrong ones are told now
        deadline: how long each program may take

    Raises:
        BadUsage: `accept` or `audit` says something that makes no sense.
        DrillStopped: the dump is damaged or of another database.
        ChaoslabError: the source cannot be read, the disk is full, ...
    """
    session = current()
    session.secrets.register_dsn(source)
    parse_accepted(accept)
    place, binaries = Scratch(Path(scratch["folder"])), find_binaries(server_major(source), bin_dir)
    if backup:
        found = _open(Path(backup).absolute(), globals, source, place=place, binaries=binaries)
    else:
        wish = Wish(
            format="directory" if format == "directory" else "custom",
            jobs=jobs,
            deadline_s=parse_duration(deadline),
            audit=AuditRule.parse(audit),
            watch=session.check_abort,
        )
        found = take_backup(source, place.backup, binaries, wish)
        session.figure("dump_s", found.manifest["duration_s"] if found.manifest else 0.0, "s")
    session.figure("dump_bytes", found.bytes, "bytes")
    return {**_described(found, database_of(source)), "made_by_drill": not backup}


def _open(path: Path, roles: str, source: str, *, place: Scratch, binaries: Binaries) -> Backup:
    session = current()
    given = Path(roles).absolute() if roles and roles != "source" else None
    try:
        found = open_backup(path, binaries, globals_path=given)
    except NotABackup as broken:
        tell(session, [broken.difference])
        raise DrillStopped(str(broken)) from None
    wanted = database_of(source)
    if found.database and found.database != wanted:
        message = f"{path.name} is a dump of database {found.database}, not of {wanted}"
        session.finding(
            "backup-of-another-database", where=path.name, message=message, expected=wanted, actual=found.database
        )
        raise DrillStopped(message)
    if roles == "source":
        target = place.backup / "source.globals.sql"
        dump_globals(source, target, binaries)
        session.finding(
            "globals-from-source",
            severity="warning",
            where="roles",
            message="the roles were taken from the source now, so the backup alone would not bring them back",
        )
        found = replace(found, globals_path=target)
    if found.manifest is None:
        session.finding(
            "backup-without-manifest",
            severity="note",
            where=path.name,
            message="chaoslab did not make this dump, so it is compared with the source as it is now",
        )
    return found


@step("inject")
def declare_disaster(source: str, smoke_sql: str = "") -> dict[str, Any]:
    """Assume that the source is lost from now on, and begin to watch for its replacement.

    Args:
        source: asked for its clock one last time; it is not touched
        smoke_sql: a query that the service lives on, for the samples of the recovered database

    Raises:
        ConnectFailed: the source cannot be reached.
    """
    session = current()
    clock_at = source_clock(source, session.clock.mono)
    session.mark("disaster", clock_at.mono_s - session.log.origin_mono_s)
    watch_serving(session, smoke_sql)
    return {"mono_s": clock_at.mono_s, "source_low_s": clock_at.source_s[0], "source_high_s": clock_at.source_s[1]}


@step("recover")
def fetch(
    backup: Mapping[str, Any], scratch: Mapping[str, str], bin_dir: str = "", deadline: str = "4h"
) -> dict[str, Any]:
    """Copy the dump to where it is restored, and prove that the copy is whole.

    Args:
        backup: the output of `take_or_open_backup`
        scratch: the output of `scratch`
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long reading through the dump may take

    Raises:
        DrillStopped: the dump is truncated or damaged.
    """
    session = current()
    begun_s = session.now_s()
    binaries = _binaries(backup, bin_dir)
    original = _opened(backup, binaries)
    copy = fetch_backup(original, Scratch(Path(scratch["folder"])), watch=session.check_abort)
    found = damage(copy, binaries, deadline_s=parse_duration(deadline), watch=session.check_abort)
    session.figure("fetch_s", round(session.now_s() - begun_s, 3), "s")
    if found:
        tell(session, found)
        raise DrillStopped(found[0].message)
    session.mark("fetched")
    return {**_described(copy, backup["source_database"]), "made_by_drill": backup["made_by_drill"]}


@step("recover")
def provision(
    backup: Mapping[str, Any],
    scratch: Mapping[str, str],
    *,
    profile: str = "verify",
    jobs: int = 2,
    bin_dir: str = "",
    deadline: str = "5m",
) -> dict[str, Any]:
    """Make and start the scratch server.

    Args:
        backup: the output of `fetch`
        scratch: the output of `scratch`
        profile: `verify` is fast, `rta` as durable as production
        jobs: connections that will restore at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long making and starting it may take

    Raises:
        PostgresFailed: the server does not come up.
    """
    session = current()
    begun_s = session.now_s()
    cluster = scratches.provision(
        Scratch(Path(scratch["folder"])),
        _binaries(backup, bin_dir),
        profile=profile,
        jobs=jobs,
        deadline_s=parse_duration(deadline),
    )
    session.secrets.register(cluster.password)
    session.figure("provision_s", round(session.now_s() - begun_s, 3), "s")
    session.mark("provisioned")
    if profile == "verify":
        session.finding(
            "faster-than-production",
            severity="note",
            where="scratch server",
            message="it runs with fsync off, so its times are not a production's; profile=rta measures those",
        )
    return {"server": str(cluster.folder), "major": cluster.major, "profile": profile}


@step("recover")
def restore(
    backup: Mapping[str, Any],
    scratch: Mapping[str, str],
    server: Mapping[str, Any],
    *,
    jobs: int = 2,
    bin_dir: str = "",
    accept: str = "",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Restore the roles and the database into the scratch server.

    Args:
        backup: the output of `fetch`
        scratch: the output of `scratch`
        server: the output of `provision`
        jobs: connections that restore at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        accept: differences that do not count, `code@where: reason; ...`
        deadline: how long each program may take

    Raises:
        RestoreFailed: no database came of it; the findings say why.
    """
    session = current()
    cluster, binaries = Cluster.open(Path(server["server"])), _binaries(backup, bin_dir)
    how = Restoring(
        Scratch(Path(scratch["folder"])),
        cluster,
        binaries,
        jobs=jobs,
        deadline_s=parse_duration(deadline),
        watch=session.check_abort,
    )
    restored = restore_backup(_opened(backup, binaries), how, database=backup["source_database"])
    failures = tell(session, with_accepted(restored.differences, parse_accepted(accept)))
    session.figure("restore_s", round(restored.globals_s + restored.database_s, 3), "s")
    stopping = {"scratch-server-died", "scratch-disk-full", "restore-too-slow", "backup-truncated", "backup-corrupt"}
    stopped = [one for one in restored.differences if one.code in stopping]
    if stopped or not restored.usable:
        raise RestoreFailed(stopped[0].message if stopped else "no database came of the restore")
    session.mark("restored")
    watch_serving(session).open_to_clients(cluster.dsn(restored.database))
    return {"server": server["server"], "database": restored.database, "failures": failures}


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
) -> dict[str, Any]:
    """Compare the restored database with the facts of the dumped snapshot, or with the source as it is.

    Args:
        source: asked only when the dump has no manifest
        backup: the output of `fetch`
        restored: the output of `restore`
        jobs: connections that scan at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        audit: how an audit log is chained, see `AuditRule`; '' for none
        accept: differences that do not count, `code@where: reason; ...`
        heartbeat_table: tells which rows of the source are older than the dump

    Raises:
        ConnectFailed, CannotRead: a database cannot be read.
    """
    session = current()
    begun_s = session.now_s()
    found = _opened(backup, _binaries(backup, bin_dir))
    live = Live(
        source_dsn=source,
        restored_dsn=Cluster.open(Path(restored["server"])).dsn(restored["database"]),
        bootstrap="" if found.manifest else bootstrap_role(source),
        jobs=jobs,
        heartbeat=heartbeat_table,
        audit=AuditRule.parse(audit),
    )
    verified = verify_database(found, live)
    failures = tell(session, with_accepted(verified.differences, parse_accepted(accept)))
    session.figure("verify_s", round(session.now_s() - begun_s, 3), "s")
    session.figure("tables", verified.tables, "tables")
    session.figure("rows", verified.rows, "rows")
    return {**restored, "failures": restored["failures"] + failures}


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
    timeout_s = parse_duration(deadline)
    found = [run_smoke(dsn, smoke_sql or "SELECT 1", timeout_s=timeout_s)]
    said = ""
    if service_check:
        broken, said = run_check(service_check, dsn, timeout_s=timeout_s, watch=session.check_abort)
        found.append(broken)
    failures = tell(session, [one for one in found if one is not None]) + verified["failures"]
    if not failures:
        session.mark("verified")
    watch_serving(session).stop()
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
        backup=replace(_opened(backup, _binaries(backup, bin_dir)), database=restored["database"]),
        acknowledgements=Path(heartbeat_acks) if heartbeat_acks else None,
        table=heartbeat_table,
        made_by_drill=bool(backup["made_by_drill"]),
    )
    instant = Disaster(disaster["mono_s"], (disaster["source_low_s"], disaster["source_high_s"]))
    point = measure_recovery_point(evidence, instant)
    beyond = beyond_objective(point, objective_s(session, "rpo"))
    tell(session, [*point.differences, *([beyond] if beyond else []), backup_age(evidence, instant)])
    if point.lost_s is None:
        message = f"what was lost is not known: {point.reason}"
        session.finding("recovery-point-unknown", severity="unknown", where="backup", message=message)
    else:
        session.figure("lost_s", point.lost_s, "s")  # type: ignore[arg-type]  # None: no upper bound
        if point.lost_rows is not None:
            session.figure("lost_rows", point.lost_rows, "rows")
    return {"method": point.method, "lost_s": point.lost_s, "lost_rows": point.lost_rows}


def _described(backup: Backup, source_database: str) -> dict[str, Any]:
    """Return what later steps and the journal need to know of a dump."""
    manifest = backup.manifest or {}
    return {
        "path": str(backup.path),
        "globals": str(backup.globals_path) if backup.globals_path else "",
        "database": backup.database,
        "source_database": source_database,
        "form": backup.form,
        "bytes": backup.bytes,
        "major": max(backup.server_major, backup.dumped_by_major),
        "taken_at": manifest.get("taken_at", ""),
        "created": backup.created,
        "with_manifest": backup.manifest is not None,
    }


def _opened(described: Mapping[str, Any], binaries: Binaries) -> Backup:
    roles = Path(described["globals"]) if described["globals"] else None
    return open_backup(Path(described["path"]), binaries, globals_path=roles)


def _binaries(described: Mapping[str, Any], bin_dir: str) -> Binaries:
    return find_binaries(described["major"], bin_dir)
