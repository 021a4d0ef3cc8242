"""The steps before the recovery: have a dump, declare the disaster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.comparison.accepting import parse_accepted
from chaoslab.postgres.comparison.verify import level_of
from chaoslab.postgres.drill.handover import DrillStopped, described
from chaoslab.postgres.logical.archive import Backup, NotABackup, here, open_backup
from chaoslab.postgres.logical.backup import DumpFormat, Wish, dump_globals, take_backup
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.proofs.row_security import parse_viewers
from chaoslab.postgres.recovery_point.evidence import source_clock
from chaoslab.postgres.server import database_of, server_major
from chaoslab.postgres.servers.scratch import Scratch
from chaoslab.postgres.telling import tell, watch_serving
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step


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
    verification: str = "full",
    row_security_as: str = "",
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
        verification: how deep the restored database will be compared: `full` or `rta`
        row_security_as: who will read tables with policies; wrong ones are told now

    Raises:
        ChaoslabError: an argument makes no sense; the dump is damaged or another database's; the source cannot be read.
    """
    session = current()
    session.secrets.register_dsn(source)
    _refuse_nonsense(jobs, accept, row_security_as)
    wish = Wish(_form_of(format), jobs, level=level_of(verification), audit=AuditRule.parse(audit))
    place, binaries = Scratch(Path(scratch["folder"])), find_binaries(server_major(source), bin_dir)
    if backup:
        found = _open(here(backup), globals, source, place=place, binaries=binaries)
    else:
        found = _make(source, place, binaries, replace(wish, deadline_s=seconds("deadline", deadline)))
    session.figure("dump_bytes", found.bytes, "bytes")
    return {**described(found, database_of(source)), "made_by_drill": not backup}


def _refuse_nonsense(jobs: int, accept: str, row_security_as: str) -> None:
    """Refuse now what only a later step reads: nobody wants to wait an hour for that."""
    if jobs < 1:
        raise BadUsage(f"jobs: {jobs} makes no sense; at least one connection has to work")
    parse_accepted(accept)
    parse_viewers(row_security_as)


def _make(source: str, place: Scratch, binaries: Binaries, wish: Wish) -> Backup:
    session = current()
    found = take_backup(source, place.backup, binaries, replace(wish, watch=session.check_abort))
    session.figure("dump_s", found.manifest["duration_s"] if found.manifest else 0.0, "s")
    return found


def _form_of(text: str) -> DumpFormat:
    if text not in get_args(DumpFormat):
        raise BadUsage(f"format: {text!r} is no format of a new dump; choose custom or directory")
    return cast(DumpFormat, text)


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
