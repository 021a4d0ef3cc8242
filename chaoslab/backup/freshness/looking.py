"""The steps of the drill `backup-freshness` that look at what is there. They change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chaoslab.backup.freshness.judge_age import judge_absence, split_future
from chaoslab.backup.freshness.judge_archiver import judge_archiver, judge_clock
from chaoslab.backup.freshness.source import Server, ask_server
from chaoslab.backup.freshness.stores import survey_store
from chaoslab.backup.freshness.survey import Seen, all_copies, keep, survey_dumps
from chaoslab.backup.freshness.telling import Told, told
from chaoslab.backup.freshness.wishes import Words, listed, place_of, reading_of, wal_age_s
from chaoslab.core.errors import BadUsage
from chaoslab.postgres.connect import ConnectFailed
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.snapshot import CannotRead
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step


@step("baseline")
def something_to_look_at(
    *,
    stores: Words = (),
    dumps: Words = (),
    wal: str = "",
    base_backups: str = "",
    repository: str = "",
    pattern: str = "",
    timezone: str = "UTC",
    max_age: str = "26h",
) -> bool:
    """Say whether the settings make sense and name a place at all; nothing is opened.

    Args:
        stores: places that `chaoslab backup` writes: folders, `s3://bucket/prefix`
        dumps: places with dumps that somebody else's script writes
        wal: a folder of archived WAL
        base_backups: a folder of base backups
        repository: the tool of a repository of physical backups
        pattern: how the names of the dumps are built
        timezone: of the dates in names
        max_age: how old the newest backup may be

    Raises:
        BadUsage: a setting makes no sense, or no place is named.
    """
    places = [*listed(stores), *listed(dumps)]
    if not places and not (wal or base_backups or repository):
        raise BadUsage(
            "no place to look at: name one with --var dumps=/backups, --var stores=s3://BUCKET/PREFIX,"
            " --var wal=/archive or --var repository=pgbackrest"
        )
    reading_of(timezone, pattern)
    for address in places:
        place_of(address)
    if seconds("max_age", max_age) <= 0:
        raise BadUsage("max_age: must be longer than zero; write 26h")
    return True


@step("verify")
def take_stock(
    *,
    stores: Words = (),
    dumps: Words = (),
    pattern: str = "",
    timezone: str = "UTC",
    endpoint: str = "",
) -> Told:
    """Look into every place: what is there, and is it a backup?

    Args:
        stores: places that `chaoslab backup` writes
        dumps: places with dumps of somebody else's
        pattern: how the names of those dumps are built, `{database}_%Y%m%d.dump`; '' finds the usual ways by itself
        timezone: of the dates in names that do not say it, and in the headers of dumps
        endpoint: of an object store that is not Amazon's

    Raises:
        BadUsage: a setting makes no sense.
    """
    session = current()
    reading, now_s = reading_of(timezone, pattern), session.clock.wall().timestamp()
    places: list[Seen] = []
    found: list[Difference] = []
    for address in listed(stores):
        session.check_abort()
        places += [_survey_store(address, endpoint, found, now_s)]
    for address in listed(dumps):
        session.check_abort()
        seen, differences = survey_dumps(place_of(address, endpoint), reading)
        absent = any(one.code == "backup-place-absent" for one in differences)
        found += differences
        found += judge_absence(seen.label, seen.files, len(seen.copies)) if seen.readable and not absent else []
        places.append(seen)
    for seen in places:
        seen.copies, future = split_future(seen.copies, now_s)
        found += future
    session.figure("places", len(places), "places")
    session.figure("backups", len(all_copies(places)), "backups")
    session.figure("bytes", sum(seen.bytes for seen in places), "bytes")
    file = keep(places, session.folder)
    return {**told(session, found), "file": str(file), "files": sum(seen.files for seen in places), "at_s": now_s}


def _survey_store(address: str, endpoint: str, found: list[Difference], now_s: float) -> Seen:
    seen, differences = survey_store(place_of(address, endpoint), now_s=now_s)
    found += differences
    return seen


@step("verify")
def ask_source(
    source: str = "",
    *,
    wal: str = "",
    repository: str = "",
    max_wal_age: str = "",
) -> Told:
    """Ask the server that is backed up for its databases, its clock and its archiving.

    A server that does not answer leaves these questions open; its backups are judged all the same.

    Args:
        source: its connection string; '' asks nobody
        wal: the WAL archive that recovery counts on, if any
        repository: the repository that it counts on, if any
        max_wal_age: how old the newest archived WAL may be; '' takes the run's objective `rpo`

    Raises:
        BadUsage: a setting makes no sense.
    """
    session = current()
    if not source:
        return {**told(session, []), "asked": False, "server": None}
    session.secrets.register_dsn(source)
    try:
        server = ask_server(source)
    except (ConnectFailed, CannotRead) as broken:
        message = f"the source does not answer, so nobody knows which databases it has: {broken}"
        found = [Difference("source-not-asked", "source", message, severity="unknown")]
        return {**told(session, found), "asked": True, "server": None}
    limit_s = wal_age_s(session, max_wal_age)
    found = judge_archiver(server, max_age_s=limit_s, wal_expected=bool(wal or repository)) + judge_clock(server)
    return {**told(session, found), "asked": True, "server": asdict(server)}


def server_of(asked: Mapping[str, Any]) -> Server | None:
    """Return what `ask_source` learned, or None if it did not."""
    data = asked.get("server")
    return Server(**{**data, "databases": tuple(data["databases"]), "skew_s": tuple(data["skew_s"])}) if data else None
