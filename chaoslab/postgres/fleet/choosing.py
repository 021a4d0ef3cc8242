"""The first step of a drill over many databases: which they are, where their dumps are, and whether there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.postgres.comparison.accepting import parse_accepted
from chaoslab.postgres.connect import ConnectFailed
from chaoslab.postgres.drill.handover import DrillStopped
from chaoslab.postgres.fleet.capacity import capacity
from chaoslab.postgres.fleet.members import Member, Server, Survey, patterns_of, servers_of, survey
from chaoslab.postgres.fleet.stored import Stored, stored_dumps
from chaoslab.postgres.logical.archive import here
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.servers.scratch import default_base
from chaoslab.postgres.telling import tell
from chaoslab.runtime.arguments import yes
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step


@step("baseline")
def choose(
    source: str | Sequence[str],
    databases: str | Sequence[str] = "all",
    backup: str = "",
    *,
    accept: str = "",
    scratch_dir: str = "",
    workers: int = 0,
    overlap: str = "no",
    bin_dir: str = "",
) -> dict[str, Any]:
    """Find out which databases are meant, and refuse when this machine has no room for them.

    Args:
        source: the servers' DSNs, a list or a text with `;` between them; they are only read
        databases: `all`, or names and patterns (`shop,billing_*`, `db-1:5432/shop`)
        backup: a folder with a dump of each: a store or set of chaoslab's, or any; '' makes new dumps
        accept: differences that will not count; wrong ones are told now
        scratch_dir: where the scratch folder will be; '' means the system's folder for temporary files
        workers: databases at the same time; 0 asks cores, memory and disk
        overlap: `yes` restores each database as soon as it is dumped
        bin_dir: folder of PostgreSQL's programs; '' looks for them

    Raises:
        BadUsage: an argument makes no sense, or `backup` is in an object store.
        DrillStopped: nothing fits.
        Refused: the scratch disk is too small.
    """
    session = current()
    servers, patterns = servers_of(source), patterns_of(databases)
    parse_accepted(accept)
    for server in servers:
        session.secrets.register_dsn(server.dsn)
    surveys = {server.label: seen for server in servers if (seen := _survey(session, server, patterns))}
    members = [member for seen in surveys.values() for member in seen.chosen]
    majors = {label: seen.major for label, seen in surveys.items()}
    if backup:
        binaries = find_binaries(max(majors.values(), default=0), bin_dir)
        members = _with_dumps(session, here(backup), members, binaries)
    _tell_choice(session, list(surveys.values()), patterns, members)
    if not members:
        raise DrillStopped("no database was found: see the findings")
    base, staged = Path(scratch_dir) if scratch_dir else default_base(), not yes("overlap", overlap)
    at_once = _room(session, members, base.absolute(), workers=workers, dumps=not backup, staged=staged)
    return {"members": [member.to_json() for member in members], "workers": at_once, "majors": majors}


def _survey(session: Session, server: Server, patterns: Sequence[str]) -> Survey | None:
    try:
        return survey(server, patterns)
    except ConnectFailed as broken:
        session.finding("server-unreachable", where=server.label, message=str(broken))
        session.part(server.label, "failed", note="unreachable: none of its databases was looked at")
        return None


def _tell_choice(session: Session, surveys: list[Survey], patterns: list[str], members: list[Member]) -> None:
    """Say what was left out on purpose, and what was asked for and is nowhere."""
    for seen in surveys:
        for name, reason in seen.left_out.items():
            session.finding("database-left-out", severity="note", where=name, message=f"{name} is left out: {reason}")
    for pattern in patterns:
        if surveys and all(pattern in seen.unmatched for seen in surveys):
            message = f"no server has a database that fits {pattern}"
            session.finding("database-not-found", where=pattern, message=message, expected=pattern)
    for member in members:
        session.part(member.name, "failed" if member.failed else "unknown", bytes=member.bytes)
    session.figure("databases", len(members), "databases")


def _room(session: Session, members: list[Member], base: Path, *, workers: int, dumps: bool, staged: bool) -> int:
    if workers < 0:
        raise BadUsage(f"workers: {workers} makes no sense; 0 leaves the number to the machine")
    servers = len({member.server for member in members})
    found = capacity(members, base, servers=servers, wished=workers, dumps=dumps, staged=staged)
    if found.too_small:
        session.log.append("refused", durable=True, guard="free-disk", reason=f"{base}: {found.too_small}")
        raise Refused("free-disk", f"{base}: {found.too_small}")
    session.figure("workers", found.workers, f"at once, bound by {found.bound_by}")
    return found.workers


def _with_dumps(session: Session, place: Path, members: list[Member], binaries: Binaries) -> list[Member]:
    stored = stored_dumps(place, [member.database for member in members], binaries)
    tell(session, stored.unreadable)
    known = {member.database for member in members}
    for database in sorted(stored.dumps.keys() - known):
        message = f"{stored.folder.name} holds a dump of {database}, which is not among the databases of this run"
        session.finding("backup-without-database", severity="note", where=database, message=message)
    return [_with_dump(session, stored, member) for member in members]


def _with_dump(session: Session, stored: Stored, member: Member) -> Member:
    path = stored.dump_of(member.database, member.server)
    if path is None:
        message = f"{stored.folder} holds no dump of {member.database}: it would be lost"
        session.finding("database-without-backup", where=member.name, message=message, expected="a dump", actual=None)
        return replace(member, failed=True)
    roles = stored.globals_of(path, member.server)
    return replace(member, path=str(path), globals=str(roles or ""))
