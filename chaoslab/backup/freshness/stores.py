"""Look at a store of `chaoslab backup`: one folder a run, with a `set.json` that says what must be in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial

from chaoslab.backup.freshness.evidence import Copy, Entry, Instant, by_database
from chaoslab.backup.freshness.judge_age import judge_absence
from chaoslab.backup.freshness.places import Place, PlaceUnreadable
from chaoslab.backup.freshness.survey import READERS, Seen, list_place
from chaoslab.backup.sets import SET, BackupSet, BadSet, DatabaseEntry, StoredFile, parse_set
from chaoslab.backup.stamp import instant_of, is_stamp
from chaoslab.backup.store import PARTIAL
from chaoslab.postgres.difference import Difference

UNFINISHED_S = 6 * 3600.0
"""A run whose newest file is younger may still be at work."""
_STAMP = re.compile(r"-(?P<stamp>\d{8}T\d{6})(?P<ms>\d{3})?Z\.")

type Files = Mapping[str, Entry]
"""The files of a run by their path below its folder."""


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run: what it says, and the files that are there."""

    said: BackupSet
    files: Files

    @property
    def name(self) -> str:
        """Its folder."""
        return self.said.stamp


def survey_store(place: Place, *, now_s: float) -> tuple[Seen, list[Difference]]:
    """Look at a store: which runs are whole, and has each of their files the size that was written down?

    Args:
        place: the store
        now_s: seconds since 1970
    """
    seen, listing, found = list_place(place, "store")
    if not seen.readable or any(one.code == "backup-place-absent" for one in found):
        return seen, found
    whole, unfinished = _folders(listing.entries, remote=place.remote)
    with ThreadPoolExecutor(READERS, thread_name_prefix="sets") as pool:
        read = list(pool.map(lambda name: _read(place, name, whole[name]), sorted(whole)))
    runs = [run for run, _ in read if run is not None]
    found += [one for _, differences in read for one in differences]
    called = _names(runs)
    for run in runs:
        copies, differences = _judged(place.label, run, called)
        seen.copies += copies
        found += differences
    found += _newest_run(place.label, runs, called)
    found += _unfinished(place.label, unfinished, now_s=now_s)
    found += judge_absence(place.label, seen.files, len(seen.copies), partial=[*unfinished])
    seen.expected = _expected(seen.copies, runs)
    return seen, found


def _folders(entries: Iterable[Entry], *, remote: bool) -> tuple[dict[str, dict[str, Entry]], dict[str, float]]:
    """Return the files of each run, and the unfinished runs with the date of their newest file.

    In a folder a run gets its name when it is whole; an object store cannot rename, so there `set.json` decides.
    """
    whole: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
    unfinished: dict[str, float] = {}
    for entry in entries:
        folder, _, rest = entry.name.partition("/")
        if folder.endswith(PARTIAL) and is_stamp(folder.removesuffix(PARTIAL)):
            unfinished[folder] = max(unfinished.get(folder, 0.0), entry.modified_s)
        elif rest and is_stamp(folder):
            whole[folder][rest] = entry
    for folder in [name for name, files in whole.items() if remote and SET not in files]:
        unfinished[folder] = max(entry.modified_s for entry in whole.pop(folder).values())
    return whole, unfinished


def _read(place: Place, name: str, files: Files) -> tuple[Run | None, list[Difference]]:
    where = f"{place.label}/{name}"
    if SET not in files:
        message = f"the run {name} in {place.label} has no {SET}: somebody removed it, or it was cut off"
        return None, [Difference("manifest-missing", where, message, SET, None)]
    try:
        said = parse_set(place.read(f"{name}/{SET}"), f"{name}/{SET}")
    except PlaceUnreadable as broken:
        return None, [Difference("backup-place-unreadable", where, str(broken), severity="unknown")]
    except BadSet as bad:
        return None, [Difference("manifest-unreadable", where, str(bad))]
    if said.stamp != name:
        message = f"{name}/{SET} is that of another run, {said.stamp}"
        return None, [Difference("manifest-contradicts", where, message, name, said.stamp)]
    return Run(said, files), []


def _names(runs: Iterable[Run]) -> Callable[[DatabaseEntry], str]:
    """Return how people call a database: with its server where two servers have one of that name."""
    servers: defaultdict[str, set[str]] = defaultdict(set)
    for run in runs:
        for one in run.said.databases:
            servers[one.database].add(one.server)
    return partial(_called, {name for name, of in servers.items() if len(of) > 1})


def _called(ambiguous: set[str], one: DatabaseEntry) -> str:
    return f"{one.database}@{one.server}" if one.database in ambiguous else one.database


def _judged(place: str, run: Run, called: Callable[[DatabaseEntry], str]) -> tuple[list[Copy], list[Difference]]:
    """Return the backups of a run, and what its files lack: presence and size of each."""
    copies, found = [], []
    for one in run.said.databases:
        if one.outcome != "ok":
            continue
        name = called(one)
        wrong = [_wrong(f"{name}/{place}", run, file) for file in one.files]
        differences = [difference for difference in wrong if difference is not None]
        if not one.dump or not one.files:
            message = f"{run.name}/{SET} says that {name} was dumped, and names no file of it"
            differences.append(Difference("manifest-contradicts", f"{name}/{place}/{run.name}", message))
        found += differences
        if not differences:
            copies.append(_copy(place, run, one, name))
    for server in run.said.servers:
        found += [lack for file in server.files if (lack := _wrong(place, run, file)) is not None]
    return copies, found


def _copy(place: str, run: Run, one: DatabaseEntry, name: str) -> Copy:
    toc = f"{one.dump}/toc.dat"
    head = toc if toc in run.files else one.dump
    return Copy(
        place=place,
        database=name,
        name=f"{run.name}/{one.dump}",
        taken=_instant(run, one),
        bytes=one.bytes,
        head=f"{run.name}/{head}",
        run=run.name,
        storage_class=run.files[head].storage_class if head in run.files else "",
    )


def _wrong(where: str, run: Run, file: StoredFile) -> Difference | None:
    path, entry = f"{run.name}/{file.path}", run.files.get(file.path)
    place = f"{where}/{path}"
    if entry is None:
        return Difference("backup-truncated", place, f"{path} is missing from the backup", file.bytes, None)
    if entry.bytes == file.bytes:
        return None
    shorter = entry.bytes < file.bytes
    code = "backup-truncated" if shorter else "backup-checksum-differs"
    message = f"{path} is {'shorter' if shorter else 'longer'} than it was written"
    return Difference(code, place, message, file.bytes, entry.bytes)


def _newest_run(place: str, runs: Sequence[Run], called: Callable[[DatabaseEntry], str]) -> list[Difference]:
    """Say what the newest run did not get."""
    if not runs:
        return []
    said = runs[-1].said
    failed = [(f"{called(one)}/{place}", one.database, one.error) for one in said.databases if one.outcome != "ok"]
    failed += [(place, f"the roles of {one.server}", one.error) for one in said.servers if one.outcome != "ok"]
    return [
        Difference(
            "backup-run-failed",
            f"{where}/{said.stamp}",
            f"the newest run has no backup of {what}: {error}",
            "ok",
            "failed",
        )
        for where, what, error in failed
    ]


def _unfinished(place: str, unfinished: Mapping[str, float], *, now_s: float) -> list[Difference]:
    found = []
    for name, modified_s in sorted(unfinished.items()):
        stale = now_s - modified_s > UNFINISHED_S
        what = "was cut off, and what it left takes room" if stale else "is at work, or was just cut off"
        message = f"the run {name} {what}: it is no backup"
        where = f"{place}/{name}"
        found.append(Difference("backup-unfinished", where, message, severity="warning" if stale else "note"))
    return found


def _expected(copies: Sequence[Copy], runs: Iterable[Run]) -> dict[str, list[dict[str, object]]]:
    """Return the files of the newest copy of each database, as its run wrote them down."""
    newest = {of_database[-1].name for of_database in by_database(copies).values()}
    return {
        f"{run.name}/{one.dump}": [{**asdict(file), "path": f"{run.name}/{file.path}"} for file in one.files]
        for run in runs
        for one in run.said.databases
        if f"{run.name}/{one.dump}" in newest
    }


def _instant(run: Run, one: DatabaseEntry) -> Instant:
    """Return the instant of a dump's snapshot: as written down, or as the name of its file or its run has it."""
    try:
        taken_s = datetime.fromisoformat(one.taken_at).timestamp()
        return Instant(taken_s, taken_s, "manifest")
    except ValueError:
        match = _STAMP.search(one.dump)
    if match is None:
        begun_s = instant_of(run.name).timestamp()
        return Instant(begun_s, begun_s, "name")
    taken = datetime.strptime(match["stamp"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    taken += int(match["ms"] or 0) / 1000
    return Instant(taken, taken, "name")
