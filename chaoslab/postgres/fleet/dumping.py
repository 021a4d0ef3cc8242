"""Dump the databases of a fleet: all before the disaster, or each just before it is restored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Aborted, ChaoslabError
from chaoslab.postgres.comparison.verify import level_of
from chaoslab.postgres.fleet.members import Member, Server, members_of, servers_of
from chaoslab.postgres.fleet.tracking import Tracking
from chaoslab.postgres.logical.backup import Wish, dump_globals, take_backup
from chaoslab.postgres.logical.pace import Pace, size_of
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.programs.tools import TookTooLong
from chaoslab.runtime.arguments import seconds, size_bytes, yes
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step
from chaoslab.runtime.workers import Workers

NOTHING = "none"
"""The verification that verifies nothing."""
_FIRST_GUESS = 0.4
"""How much of a database its dump takes, until the first dump is there and tells."""


@dataclass
class Dumping:
    """How a fleet is dumped."""

    session: Session
    servers: dict[str, Server]
    majors: Mapping[str, int]
    folder: Path
    wish: Wish
    snapshot_max_s: float
    bin_dir: str = ""
    watch: Callable[[], None] = lambda: None
    _programs: dict[str, Binaries] = field(default_factory=dict)
    _roles: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def dump(self, member: Member) -> Member:
        """Dump one database and tell what came of it; one that fails stops no other."""
        begun_s = self.session.now_s()
        try:
            wish = replace(self.wish, watch=self.watch, deadline_s=min(self.wish.deadline_s, self.snapshot_max_s))
            dsn = self.servers[member.server].dsn_of(member.database)
            found = take_backup(dsn, self.folder_of(member), self._binaries(member), wish)
            roles = self.roles_of(member)
        except Aborted:
            raise
        except TookTooLong as slow:
            return self._failed(member, "snapshot-held-too-long", str(slow))
        except ChaoslabError as broken:
            return self._failed(member, "database-not-dumped", str(broken))
        took_s = round(self.session.now_s() - begun_s, 3)
        self.session.part(member.name, "unknown", dump_s=took_s, dump_bytes=found.bytes)
        return replace(member, path=str(found.path), globals=roles, made_by_drill=True)

    def folder_of(self, member: Member) -> Path:
        """Return where a member's dump goes: names of files cannot tell all names of databases apart."""
        return self.folder / member.name.encode().hex()[:200]

    def _binaries(self, member: Member) -> Binaries:
        """Find the programs for a server once: each search runs one."""
        if member.server not in self._programs:
            self._programs[member.server] = find_binaries(self.majors.get(member.server, 0), self.bin_dir)
        return self._programs[member.server]

    def roles_of(self, member: Member) -> str:
        """Dump the roles of a server, once; a server that keeps them to itself has none in its dumps."""
        with self._lock:
            if member.server not in self._roles:
                self.folder.mkdir(parents=True, exist_ok=True)
                path = self.folder / f"{member.server.encode().hex()}.globals.sql"
                try:
                    dump_globals(self.servers[member.server].dsn, path, self._binaries(member))
                except ChaoslabError as broken:
                    path = Path()
                    self.session.finding("globals-absent", severity="warning", where=member.server, message=str(broken))
                self._roles[member.server] = str(path) if path.name else ""
            return self._roles[member.server]

    def _failed(self, member: Member, code: str, reason: str) -> Member:
        self.session.finding(code, where=member.name, message=f"{member.name} was not dumped: {reason}")
        self.session.part(member.name, "failed")
        return replace(member, failed=True)


def dumping_of(
    session: Session, source: str | Sequence[str], fleet: Mapping[str, Any], folder: Path, how: Mapping[str, Any]
) -> Dumping:
    """Read how a fleet is to be dumped.

    Raises:
        BadUsage: an argument makes no sense.
    """
    wanted = str(how["verification"])
    rate = size_bytes("rate_limit", str(how["rate_limit"]).removesuffix("/s")) if how["rate_limit"] else 0
    wish = Wish(
        "directory",
        int(how["jobs"]),
        compression=0 if rate else int(how["compression"]),  # what is written is then what was read
        deadline_s=seconds("deadline", how["deadline"]),
        level="structure" if wanted == NOTHING else level_of(wanted),
        facts=wanted != NOTHING,
        roles=False,
        pace=Pace(rate) if rate else None,
    )
    servers = {server.label: server for server in servers_of(source)}
    longest_s = seconds("snapshot_max", how["snapshot_max"])
    return Dumping(session, servers, fleet["majors"], folder, wish, longest_s, how["bin_dir"])


@step("baseline")
def dump(
    source: str | Sequence[str],
    fleet: Mapping[str, Any],
    scratch: Mapping[str, str],
    *,
    overlap: str = "no",
    compression: int = 0,
    jobs: int = 2,
    verification: str = "full",
    rate_limit: str = "",
    snapshot_max: str = "4h",
    deadline: str = "4h",
    bin_dir: str = "",
) -> dict[str, Any]:
    """Dump every database that has no dump yet; with `overlap`, leave that to the recovery.

    Args:
        source: the servers' DSNs; they are only read
        fleet: the output of `choose`
        scratch: the output of `scratch`
        overlap: `yes` restores each database as soon as it is dumped
        compression: gzip level of the dumps; they lie on the scratch disk for a while only
        jobs: connections that dump one database at the same time, and that digest it
        verification: `full` digests the rows of the dumped snapshot, `rta` counts them, `none` does nothing
        rate_limit: bytes that all dumps together may read in a second, `50MiB/s`; '' for no bound
        snapshot_max: how long one snapshot of a source may be held
        deadline: how long each program may take
        bin_dir: folder of PostgreSQL's programs; '' looks for them

    Raises:
        BadUsage: an argument makes no sense.
    """
    how = {"compression": compression, "jobs": jobs, "verification": verification, "rate_limit": rate_limit}
    how |= {"snapshot_max": snapshot_max, "deadline": deadline, "bin_dir": bin_dir}
    dumping = dumping_of(current(), source, fleet, Path(scratch["folder"]) / "backup", how)
    members = _dumped(dumping, members_of(fleet["members"]), fleet["workers"], overlap=yes("overlap", overlap))
    return {**fleet, "members": [member.to_json() for member in members], "how": how}


def _dumped(dumping: Dumping, members: list[Member], workers: int, *, overlap: bool) -> list[Member]:
    pending = [member for member in members if not member.path and not member.failed]
    if overlap:  # the roles are there before the first database
        done = {member.name: replace(member, globals=dumping.roles_of(member)) for member in pending}
    else:
        done = _all(dumping, pending, workers) if pending else {}
    return [done.get(member.name, member) for member in members]


def _all(dumping: Dumping, pending: list[Member], workers: int) -> dict[str, Member]:
    session, done = dumping.session, dict[str, Member]()
    begun_s = session.now_s()
    tracking = Tracking(session, "dump", sum(member.bytes for member in pending))

    def one(member: Member) -> None:
        folder = dumping.folder_of(member)
        tracking.begin(member.name, member.bytes, lambda: written_share(folder, member))
        try:
            done[member.name] = dumping.dump(member)
        finally:
            tracking.end(member.name)

    pool = Workers(pending, one, workers=workers)

    def watch() -> None:
        session.check_abort()
        tracking.tell()

    dumping.watch = pool.check
    pool.run(watch)
    session.figure("dump_s", round(session.now_s() - begun_s, 3), "s")
    return done


def written_share(folder: Path, member: Member) -> float:
    """Guess from the size of a dump how much of it is written."""
    parts = list(folder.glob("*.partial")) if folder.exists() else []
    return min(0.95, sum(map(size_of, parts)) / max(1.0, member.bytes * _FIRST_GUESS))
