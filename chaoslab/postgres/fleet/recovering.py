"""The steps of a fleet's disaster and recovery: all databases restored and verified, many at the same time."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.comparison.accepting import parse_accepted, with_accepted
from chaoslab.postgres.connect import ConnectFailed
from chaoslab.postgres.drill.handover import DrillStopped
from chaoslab.postgres.fleet.dumping import Dumping, dumping_of, written_share
from chaoslab.postgres.fleet.members import Member, members_of, servers_of
from chaoslab.postgres.fleet.one import Recovering, Result, known_disaster, recover, restored_share
from chaoslab.postgres.fleet.provisioning import Place, provision, release, restore_roles
from chaoslab.postgres.fleet.tracking import Tracking
from chaoslab.postgres.logical.restore import Restoring
from chaoslab.postgres.recovery_point.evidence import source_clock
from chaoslab.postgres.recovery_point.heartbeat import TABLE
from chaoslab.postgres.telling import objective_s, tell, tell_profile
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step
from chaoslab.runtime.workers import Workers

SAMPLER = "recovered fleet"
_SAMPLE_EVERY_S = 1.0


@step("inject")
def declare_disaster(source: str | Sequence[str], fleet: Mapping[str, Any]) -> dict[str, Any]:
    """Assume that all servers are lost from now on.

    Args:
        source: asked for their clocks one last time; they are not touched
        fleet: the output of `dump`
    """
    session = current()
    labels = {one["server"] for one in fleet["members"]}
    clocks: dict[str, Any] = {}
    for server in servers_of(source):
        if server.label in labels:
            try:
                clocks[server.label] = _clock_of(session, server.dsn)
            except ChaoslabError as broken:
                message = f"its clock could not be asked: {broken}"
                session.finding("server-unreachable", severity="warning", where=server.label, message=message)
    at_s = session.now_s()
    session.mark("disaster", at_s)
    session.mark("detected", at_s)
    return {"at_s": at_s, "clocks": clocks}


def _clock_of(session: Session, dsn: str) -> dict[str, float]:
    clock = source_clock(dsn, session.clock.mono)
    return {"mono_s": clock.mono_s, "source_low_s": clock.source_s[0], "source_high_s": clock.source_s[1]}


@step("recover")
def recover_all(
    source: str | Sequence[str],
    fleet: Mapping[str, Any],
    scratch: Mapping[str, str],
    disaster: Mapping[str, Any],
    *,
    profile: str = "verify",
    accept: str = "",
    smoke_sql: str = "",
    heartbeat_acks: str = "",
    heartbeat_table: str = TABLE,
) -> dict[str, Any]:
    """Restore and verify every database, as many at the same time as this machine bears, the largest first.

    Args:
        source: asked for what is newer than a dump without a manifest, and for its heartbeat
        fleet: the output of `dump`
        scratch: the output of `scratch`
        disaster: the output of `declare_disaster`
        profile: `verify` is fast, `rta` as durable as production
        accept: differences that do not count, `code@NAME/where: reason; ...`
        smoke_sql: a query that must find something in each database; '' for none
        heartbeat_acks: the heartbeat writer's log of acknowledged beats; '' for none; of one server only
        heartbeat_table: where the beats are

    Raises:
        PostgresFailed: a scratch server does not come up.
        DrillStopped: there is nothing to restore.
    """
    session = current()
    wish = _Wish(profile, accept, smoke_sql, heartbeat_acks, heartbeat_table)
    root = Path(scratch["folder"])
    members = [member for member in members_of(fleet["members"]) if not member.failed]
    if not members:
        raise DrillStopped("no database has a dump to restore: see the findings")
    dumping = dumping_of(session, source, fleet, root / "backup", fleet["how"])
    places = _places(session, root, fleet, members, profile)
    try:
        work = _Work(session, dumping, members, _hows(session, dumping, members, places, disaster, wish, fleet))
        work.go(fleet["workers"], list(places.values()))
    finally:
        shutil.rmtree(dumping.folder, ignore_errors=True)
    return _told(session, fleet, work.results, begun_s=disaster["at_s"], restored_s=work.restored_s)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the recovery of all has in common."""

    profile: str
    accept: str
    smoke_sql: str
    acknowledgements: str
    heartbeat_table: str


def _places(
    session: Session, root: Path, fleet: Mapping[str, Any], members: list[Member], profile: str
) -> dict[str, Place]:
    begun_s, how = session.now_s(), fleet["how"]
    majors = {label: fleet["majors"][label] for label in dict.fromkeys(member.server for member in members)}
    workers, jobs = int(fleet["workers"]), int(how["jobs"])
    places = provision(root, majors, profile=profile, workers=workers, jobs=jobs, bin_dir=how["bin_dir"])
    for place in places.values():
        session.secrets.register(place.cluster.password)
    session.figure("provision_s", round(session.now_s() - begun_s, 3), "s")
    session.mark("provisioned")
    tell_profile(session, profile, "scratch servers")
    return places


def _hows(
    session: Session,
    dumping: Dumping,
    members: list[Member],
    places: Mapping[str, Place],
    disaster: Mapping[str, Any],
    wish: _Wish,
    fleet: Mapping[str, Any],
) -> dict[str, Recovering]:
    """Have the roles of each server restored, and say how its databases are recovered."""
    accepted, hows = parse_accepted(wish.accept), dict[str, Recovering]()
    for label, place in places.items():
        deadline_s = seconds("deadline", fleet["how"]["deadline"])
        jobs, server = int(fleet["how"]["jobs"]), dumping.servers[label]
        restoring = Restoring(place.scratch, place.cluster, place.binaries, jobs, deadline_s, roles=False)
        found = restore_roles(place, [member for member in members if member.server == label], restoring)
        placed = [replace(one, where=f"{label}/{one.where}") for one in with_accepted(found, accepted)]
        tell(session, with_accepted(placed, accepted))
        hows[label] = Recovering(
            session,
            server,
            place,
            restoring,
            known_disaster(disaster["clocks"], label),
            since_s=disaster["at_s"],
            verification=fleet["how"]["verification"],
            accepted=accepted,
            smoke_sql=wish.smoke_sql,
            heartbeat_table=wish.heartbeat_table,
            acknowledgements=Path(wish.acknowledgements) if wish.acknowledgements and server.alone else None,
            objective_s=objective_s(session, "rpo"),
        )
    return hows


class _Work:
    """The recovery of many databases in progress."""

    def __init__(
        self, session: Session, dumping: Dumping, members: list[Member], hows: Mapping[str, Recovering]
    ) -> None:
        """Take what is recovered, and how on each server."""
        self.results: dict[str, Result] = {}
        self.restored_s = 0.0
        self._session = session
        self._dumping = dumping
        self._members = members
        self._tracking = Tracking(session, "recover", sum(member.bytes for member in members))
        self._sampled_s = -math.inf
        self._sampler = session.sampler(SAMPLER)
        self._hows = dict(hows)

    def go(self, workers: int, places: Sequence[Place]) -> None:
        """Recover them all."""
        pool = Workers(self._members, self._one, workers=workers)
        self._dumping.watch = pool.check
        for label, how in self._hows.items():
            self._hows[label] = replace(how, restoring=replace(how.restoring, watch=pool.check))
        pool.run(self._watch, release=lambda: release(places))

    def _watch(self) -> None:
        """Keep an eye on the run, and take a sample a second: as long as one database is away, the fleet is down."""
        self._session.check_abort()
        self._tracking.tell()
        now_s = self._session.now_s()
        left = sum(1 for member in self._members if not self._is_well(member))
        if left and now_s - self._sampled_s >= _SAMPLE_EVERY_S:
            self._sampled_s = now_s
            self._sampler.add(now_s, 0.0, False, f"{left} of {len(self._members)} are not verified")

    def _is_well(self, member: Member) -> bool:
        result = self.results.get(member.name)
        return result is not None and result.outcome == "ok"

    def _one(self, member: Member) -> None:
        how, folder = self._hows[member.server], self._dumping.folder_of(member)
        stage = _Stage(member, how, folder)
        self._tracking.begin(member.name, member.bytes, stage.share)
        try:
            if not member.path:
                member = self._dumping.dump(member)
                if member.failed:
                    return
                # The best moment for a disaster is hardly ever met: here it strikes as soon as the dump is there.
                how = replace(how, disaster=known_disaster({"": _clock_of(self._session, how.server.dsn)}, ""))
                stage.dumped = True
            result = recover(member, how)
            self.restored_s = max(self.restored_s, result.restored_s)
            self.results[member.name] = result
        except ConnectFailed as broken:
            self._session.finding("database-not-verified", severity="unknown", where=member.name, message=str(broken))
        finally:
            self._tracking.end(member.name)
            if member.made_by_drill:
                shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Stage:
    """How far one database is."""

    member: Member
    how: Recovering
    folder: Path
    dumped: bool = False

    def share(self) -> float:
        """Return how much is done, from 0 to 1: of one that has to be dumped first, dumping is the first third."""
        if self.member.path:
            return restored_share(self.how, self.member)
        if not self.dumped:
            return written_share(self.folder, self.member) / 3
        return 1 / 3 + restored_share(self.how, self.member) * 2 / 3


def _told(
    session: Session, fleet: Mapping[str, Any], results: Mapping[str, Result], *, begun_s: float, restored_s: float
) -> dict[str, Any]:
    """Tell the figures of the whole fleet; it is verified when the last of its databases is."""
    names = [one["name"] for one in fleet["members"]]
    outcomes = [results[name].outcome if name in results else "failed" for name in names]
    if restored_s:
        session.mark("restored", restored_s)
    if all(outcome == "ok" for outcome in outcomes):
        session.mark("verified")
    session.figure("recover_s", round(session.now_s() - begun_s, 3), "s")
    for name in ("dump_bytes", "restored_bytes", "rows"):
        total = sum((result.figures or {}).get(name, 0) for result in results.values())
        session.figure(name, total, "bytes" if name.endswith("bytes") else "rows")
    _tell_no_heartbeat(session, [name for name in names if name in results and results[name].method == "snapshot"])
    measured = [result.lost_s for result in results.values()]
    if measured and all(measured) and len(results) == len(names):
        highs = [lost[1] for lost in measured if lost]
        worst = None if None in highs else max(high for high in highs if high is not None)
        session.figure("lost_s", (max(lost[0] for lost in measured if lost), worst), "s")  # type: ignore[arg-type]
    counts = {outcome: outcomes.count(outcome) for outcome in ("ok", "failed", "unknown")}
    return {"databases": len(names), **counts}


def _tell_no_heartbeat(session: Session, names: list[str]) -> None:
    """Warn of databases whose loss nothing measures, in one finding for them all."""
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        message = f"nothing beats in {shown}: what is lost can be bounded by the dump's snapshot only"
        session.finding("no-heartbeat", severity="warning", where="fleet", message=message)
