"""The steps of the recovery under test: the last WAL is archived, a base backup restored, WAL replayed to the point."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Aborted, BadUsage, Missing
from chaoslab.core.units import format_size
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical import disasters, standin
from chaoslab.postgres.physical.guarding import guard_tablespaces
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.preparing import stop_writers
from chaoslab.postgres.physical.recover import Recovered, Recovering, RecoveryFailed
from chaoslab.postgres.physical.recover import recover as recover_from
from chaoslab.postgres.physical.repository import BaseBackup, Repository, RepositoryFailed
from chaoslab.postgres.physical.survey import Survey, survey
from chaoslab.postgres.physical.target import Target, at_instant, choose_backup, parse_target
from chaoslab.postgres.physical.wal import format_lsn, parse_lsn
from chaoslab.postgres.programs.binaries import Binaries, find_binaries, find_binaries_of
from chaoslab.postgres.servers.scratch import Scratch
from chaoslab.postgres.snapshot import ask
from chaoslab.postgres.telling import tell, tell_profile, watch_serving
from chaoslab.runtime.arguments import seconds, yes
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

PROFILES: dict[str, dict[str, str | int]] = {
    "rta": {},
    "verify": {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"},
}
_ARCHIVED = "SELECT coalesce(max(last_archived_wal), ''), sum(failed_count) FROM pg_stat_archiver"


@step("recover")
def archive_the_rest(
    stand_in: Mapping[str, Any], disaster: Mapping[str, Any], *, within: str = "60s"
) -> dict[str, Any]:
    """Where the original still runs, have it archive the segment in which the disaster lies, and note its writers' end.

    Args:
        stand_in: the output of `original`
        disaster: the output of `strike`
        within: how long the archiver may take
    """
    session = current()
    if disaster["kind"] not in disasters.LIVES_ON:
        stop_writers(session)
        return {"archived": disaster["kind"] == disasters.DECLARED}
    made, until_s = standin.opened(stand_in), session.now_s() + seconds("within", within)
    _await_commit_after(session, made, disaster, until_s)
    with connect(made.dsn, who="the stand-in", read_only=False) as connection:
        query = "SELECT pg_walfile_name(pg_current_wal_lsn()), pg_switch_wal()"
        row = ask(lambda: connection.execute(query).fetchone(), "the WAL")
        assert row is not None
        archived = False
        while not archived and session.now_s() < until_s:
            known = ask(lambda: connection.execute(_ARCHIVED).fetchone(), "the archiver")
            archived = bool(known and known[0] >= row[0])
            if not archived:
                session.sleep(0.02)
    stop_writers(session)
    if not archived:
        message = f"the segment {row[0]}, in which the disaster lies, was not archived within {within}"
        session.finding("archive-stopped", where=str(row[0]), message=message)
    return {"archived": archived}


def _await_commit_after(session: Session, made: standin.StandIn, disaster: Mapping[str, Any], until_s: float) -> None:
    """Wait for a commit of after the disaster: recovery to a point needs one to know that the point is passed."""
    while session.now_s() < until_s:
        lines = made.acks.read_text().splitlines()[-3:]
        if any(float(line.split()[3]) > disaster["after_mono_s"] for line in lines if len(line.split()) == 4):
            return
        session.sleep(0.02)


@step("recover")
def recover(
    repository: Mapping[str, Any],
    disaster: Mapping[str, Any],
    scratch: Mapping[str, str],
    *,
    source: str = "",
    target: str = "",
    label: str = "",
    timeline: str = "latest",
    profile: str = "rta",
    check: str = "yes",
    bin_dir: str = "",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Restore a base backup by its own tool into a scratch server, replay WAL to the point, and promote.

    Args:
        repository: the output of `backups`
        disaster: the output of `strike`
        scratch: the output of `scratch`
        source: asked for its tablespaces when the disaster was declared: none of its places may be touched
        target: `time`, `lsn`, `name` (just before the disaster), `latest`, or a point: `time 2026-01-31T02:00:00Z`
        label: the base backup to begin with; '' takes the newest that leads to the point
        timeline: which one to follow: `latest` or a number
        profile: `rta`, durable as production is, or `verify`: faster, and no measure of one
        check: whether the backup's files are checked beside the recovery, `yes` or `no`
        bin_dir: folder of PostgreSQL's programs; '' looks for those of the backup's version
        deadline: how long it may take

    Raises:
        RecoveryFailed, RepositoryFailed: there is no recovered server; the findings say why.
        BadUsage: the target makes no sense.
    """
    session = current()
    opened, point = open_repository(repository["tool"], **repository["where"]), point_of(target, disaster, timeline)
    lost = source if disaster["kind"] == disasters.DECLARED else ""
    way = _Way(Scratch(Path(scratch["folder"])), lost, profile, bin_dir, seconds("deadline", deadline))
    told: list[Difference] = []
    try:
        backup = _chosen(_surveyed(opened, told), point, label)
        recovered = _recovered(opened, backup, point, how=_how(way, backup), checking=yes("check", check))
    except (RepositoryFailed, RecoveryFailed) as failed:
        tell(session, [one for one in failed.differences if one not in told])
        raise
    return _described(recovered, backup, point, failures=tell(session, recovered.differences))


@dataclass(frozen=True, slots=True)
class _Way:
    """What a recovery was told by the arguments of its step."""

    place: Scratch
    lost: str
    """The DSN of a source that is only assumed to be lost."""
    profile: str
    bin_dir: str
    deadline_s: float


def _surveyed(opened: Repository, told: list[Difference]) -> Survey:
    """Tell what the repository lacks at once, and note that it was told."""
    offered = survey(opened)
    told.extend(offered.differences)
    tell(current(), offered.differences)
    return offered


def _how(way: _Way, backup: BaseBackup) -> Recovering:
    session = current()
    _require_room(backup, way.place)
    return Recovering(
        way.place.server,
        way.place.tablespaces,
        _binaries_of(backup, way.bin_dir),
        deadline_s=way.deadline_s,
        watch=session.check_abort,
        now_s=session.now_s,
        mark=session.mark,
        guard=guard_tablespaces(way.lost) if way.lost else lambda data: None,
        settings=_settings(way.profile),
    )


def _described(recovered: Recovered, backup: BaseBackup, point: Target, *, failures: int) -> dict[str, Any]:
    current().mark("restored")
    return {
        "server": str(recovered.cluster.folder),
        "target": str(point),
        "label": backup.label,
        "end_lsn": recovered.end_lsn,
        "last_commit_at": recovered.last_commit_at,
        "failures": failures,
    }


def point_of(text: str, disaster: Mapping[str, Any], timeline: str) -> Target:
    """Return the point to recover to.

    Raises:
        BadUsage: the text is none.
    """
    word = text.strip() or ("time" if disaster["kind"] in disasters.LIVES_ON else "latest")
    if disaster["kind"] in disasters.KINDS:
        match word:
            case "time":
                return at_instant(disaster["before_at"])
            case "lsn":
                return Target("lsn", format_lsn(parse_lsn(disaster["before_lsn"])), timeline)
            case "name":
                return Target("name", disaster["restore_point"], timeline)
    return parse_target(word, timeline=timeline)


def _chosen(offered: Survey, point: Target, label: str) -> BaseBackup:
    without = [one for one in offered.backups if not one.start_lsn and label in ("", one.label)]
    backup = choose_backup(offered.backups, point, label)
    if without and backup is None:
        raise RecoveryFailed([_without_label(one) for one in without])
    tell(current(), [replace(_without_label(one), severity="warning") for one in without])
    if backup is not None and not offered.leads_to(backup, point.timeline):
        message = (
            f"timeline {point.timeline} did not grow out of timeline {backup.timeline}, on which {backup.label} is"
        )
        raise RecoveryFailed([Difference("timeline-not-reachable", point.timeline, message)])
    if backup is not None:
        return backup
    if label:
        names = ", ".join(one.label for one in offered.backups)
        message = f"the repository has no base backup {label}; it has {names}"
        raise RecoveryFailed([Difference("backup-missing", label, message)])
    message = f"no base backup ended before {point}: the oldest is {offered.backups[0].label}"
    raise RecoveryFailed([Difference("target-before-backup", str(point), message)])


def _without_label(backup: BaseBackup) -> Difference:
    message = f"{backup.label} has no backup_label: it is a copy of a data folder, recovery from it is not safe"
    return Difference("backup-label-missing", backup.label, message)


def _settings(profile: str) -> dict[str, str | int]:
    """Return the settings of a profile.

    Raises:
        BadUsage: there is no such profile.
    """
    if profile not in PROFILES:
        raise BadUsage(f"there is no profile {profile!r}; choose one of {', '.join(PROFILES)}")
    tell_profile(current(), profile, "recovered server")
    return PROFILES[profile]


def _require_room(backup: BaseBackup, place: Scratch) -> None:
    free = shutil.disk_usage(place.folder).free
    if free < backup.bytes:
        message = f"{place.folder} has {format_size(free)} left, the backup alone needs {format_size(backup.bytes)}"
        raise RecoveryFailed([Difference("scratch-disk-full", str(place.folder), message)])


def _recovered(opened: Repository, backup: BaseBackup, point: Target, *, how: Recovering, checking: bool) -> Recovered:
    """Recover, and check the files of the backup at the same time: both read the same pages."""
    stopping: list[bool] = []
    with ThreadPoolExecutor(1, thread_name_prefix="check") as beside:
        watch = _stoppable(stopping)
        job = beside.submit(lambda: opened.check(backup, deadline_s=how.deadline_s, watch=watch)) if checking else None
        try:
            recovered = recover_from(opened, backup, point, how)
        except RecoveryFailed as failed:
            raise RecoveryFailed([*(job.result() if job else []), *failed.differences]) from None
        except RepositoryFailed as failed:
            found = [
                one for one in (job.result() if job else []) if one.code not in {x.code for x in failed.differences}
            ]
            raise RepositoryFailed(str(failed), [*failed.differences, *found]) from None
        except BaseException:
            stopping.append(True)
            raise
        current().secrets.register(recovered.cluster.password)
        recovered.differences.extend(job.result() if job else [])
    return recovered


def _stoppable(stopping: list[bool]) -> Callable[[], None]:
    def watch() -> None:
        if stopping:
            raise Aborted("the recovery beside it ended")

    return watch


def _binaries_of(backup: BaseBackup, bin_dir: str) -> Binaries:
    """Find programs of exactly the backup's major version: no other reads its files.

    Raises:
        RecoveryFailed: there are none here, or only of another.
    """
    if not backup.server_major:
        return find_binaries(0, bin_dir)
    try:
        return find_binaries_of(backup.server_major, bin_dir)
    except Missing as missing:
        message = f"{backup.label} is of PostgreSQL {backup.server_major}, and no other reads its files: {missing}"
        found = Difference("server-version-differs", backup.label, message, expected=backup.server_major)
        raise RecoveryFailed([found]) from None


def open_to_clients(session: Session, dsn: str) -> None:
    """Tell the watch over the recovered database where it is."""
    watch_serving(session, detects=False).open_to_clients(dsn)
