"""Look at a store of `chaoslab backup`: one folder a run, with a `set.json` that says what must be in it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chaoslab.backup.freshness.evidence import Copy, Entry, Instant, by_database
from chaoslab.backup.freshness.judge_age import judge_absence
from chaoslab.backup.freshness.places import Place, PlaceUnreadable
from chaoslab.backup.freshness.survey import READERS, Seen, list_place
from chaoslab.postgres.difference import Difference

SET = "set.json"
PARTIAL = ".partial"
UNFINISHED_S = 6 * 3600.0
"""A run that is younger may still be at work."""
_RUN = re.compile(r"(?P<stamp>\d{8}T\d{6}Z)(?P<partial>\.partial)?")
_STAMP = re.compile(r"-(?P<stamp>\d{8}T\d{6})(?P<ms>\d{3})?Z\.")


@dataclass(frozen=True, slots=True)
class Dumped:
    """One database of a run, as its `set.json` has it."""

    database: str
    outcome: str
    error: str
    taken_at: str
    files: tuple[Mapping[str, Any], ...]
    """Each with `path` (below the run's folder), `bytes` and `sha256`."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the store."""

    name: str
    """Its folder."""
    entries: Mapping[str, Entry]
    """Its files by their path below the folder."""
    begun_s: float
    dumped: tuple[Dumped, ...] = ()
    others: tuple[Mapping[str, Any], ...] = ()
    """Its other files: the roles of its servers."""


def survey_store(place: Place, *, now_s: float) -> tuple[Seen, list[Difference]]:
    """Look at a store: which runs are whole, and do the files of each have the size that was written down?"""
    seen, listing, found = list_place(place, "store")
    if not seen.readable or any(one.code == "backup-place-absent" for one in found):
        return seen, found
    folders, partial = _folders(listing.entries)
    with ThreadPoolExecutor(READERS, thread_name_prefix="sets") as pool:
        read = list(pool.map(lambda name: _read(place, name, folders[name]), sorted(folders)))
    runs = [run for run, _ in read if run is not None]
    found += [one for _, differences in read for one in differences]
    for run in runs:
        copies, differences = _judged(place.label, run)
        seen.copies += copies
        found += differences
    found += _newest_run(place.label, runs)
    found += _unfinished(place.label, partial, now_s=now_s)
    found += judge_absence(place.label, seen.files, len(seen.copies), partial=[*partial])
    newest = {copies[-1].name for copies in by_database(seen.copies).values()}
    for run in runs:
        for one in run.dumped:
            name = _dump_of(run, one)
            if name in newest:
                seen.expected[name] = [{**file, "path": f"{run.name}/{file['path']}"} for file in one.files]
    return seen, found


def _folders(entries: Iterable[Entry]) -> tuple[dict[str, dict[str, Entry]], dict[str, float]]:
    """Return the files of each finished run, and the unfinished runs with the date of their newest file."""
    whole: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
    partial: dict[str, float] = {}
    for entry in entries:
        folder, _, rest = entry.name.partition("/")
        match = _RUN.fullmatch(folder)
        if match is None or not rest:
            continue
        if match["partial"]:
            partial[folder] = max(partial.get(folder, 0.0), entry.modified_s)
        else:
            whole[folder][rest] = entry
    return whole, partial


def _read(place: Place, name: str, entries: Mapping[str, Entry]) -> tuple[Run | None, list[Difference]]:
    where = f"{place.label}/{name}"
    if SET not in entries:
        message = f"the run {name} in {place.label} has no {SET}: it was cut off, or somebody removed it"
        return None, [Difference("manifest-missing", where, message, SET, None)]
    try:
        return run_of(name, entries, json.loads(place.read(f"{name}/{SET}"))), []
    except PlaceUnreadable as broken:
        return None, [Difference("backup-place-unreadable", where, str(broken), severity="unknown")]
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        message = f"{name}/{SET} cannot be understood: {type(broken).__name__}: {broken}"
        return None, [Difference("manifest-unreadable", where, message)]


def run_of(name: str, entries: Mapping[str, Entry], data: Mapping[str, Any]) -> Run:
    """Return a run from its `set.json`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it says something else than it must.
    """
    dumped = tuple(
        Dumped(
            database=str(one["database"]),
            outcome=str(one["outcome"]),
            error=str(one.get("error") or ""),
            taken_at=str(one.get("taken_at") or ""),
            files=tuple(_file(file) for file in one.get("files") or ()),
        )
        for one in data["databases"]
    )
    others = tuple(_file(file) for server in data["servers"] for file in server.get("files") or ())
    begun_s = datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return Run(name, entries, begun_s, dumped, others)


def _file(file: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"path": str(file["path"]), "bytes": int(file["bytes"]), "sha256": str(file["sha256"])}


def _judged(place: str, run: Run) -> tuple[list[Copy], list[Difference]]:
    """Return the backups of a run, and what its files lack: presence and size of each."""
    copies, found = [], []
    for one in run.dumped:
        if one.outcome != "ok":
            continue
        differences = [
            wrong for file in one.files if (wrong := _wrong(f"{one.database}/{place}", run, file)) is not None
        ]
        name = _dump_of(run, one)
        if not one.files:
            message = f"{run.name}/{SET} calls {one.database} dumped and names no file of it"
            differences.append(Difference("manifest-contradicts", f"{one.database}/{place}/{run.name}", message))
        found += differences
        if not differences:
            entry = _first(run, one)
            bytes_ = sum(file["bytes"] for file in one.files if not file["path"].endswith((".json", ".sql")))
            instant = _instant(run, one)
            copies.append(Copy(place, one.database, name, instant, bytes_, _head(run, one), run.name, entry))
    for file in run.others:
        wrong = _wrong(place, run, file)
        found += [wrong] if wrong is not None else []
    return copies, found


def _wrong(where: str, run: Run, file: Mapping[str, Any]) -> Difference | None:
    path, entry = f"{run.name}/{file['path']}", run.entries.get(file["path"])
    place = f"{where}/{path}"
    if entry is None:
        return Difference("backup-truncated", place, f"{path} is missing from the backup", file["bytes"], None)
    if entry.bytes == file["bytes"]:
        return None
    code = "backup-truncated" if entry.bytes < file["bytes"] else "backup-checksum-differs"
    how = "shorter" if entry.bytes < file["bytes"] else "longer"
    return Difference(code, place, f"{path} is {how} than it was written", file["bytes"], entry.bytes)


def _newest_run(place: str, runs: Sequence[Run]) -> list[Difference]:
    """Say which databases the newest run did not get."""
    if not runs:
        return []
    newest = runs[-1]
    return [
        Difference(
            "backup-run-failed",
            f"{one.database}/{place}/{newest.name}",
            f"the newest run has no backup of {one.database}: {one.error or one.outcome}",
            "ok",
            one.outcome,
        )
        for one in newest.dumped
        if one.outcome != "ok"
    ]


def _unfinished(place: str, partial: Mapping[str, float], *, now_s: float) -> list[Difference]:
    found = []
    for name, modified_s in sorted(partial.items()):
        stale = now_s - modified_s > UNFINISHED_S
        what = "was cut off, and what it left takes room: remove it" if stale else "is at work, or was just cut off"
        severity = "warning" if stale else "note"
        found.append(
            Difference("backup-unfinished", f"{place}/{name}", f"the run {name} {what}", severity=severity)  # type: ignore[arg-type]
        )
    return found


def _dump_of(run: Run, one: Dumped) -> str:
    """Return the path of a dump below the store: its file, or the folder of its directory format."""
    paths = [str(file["path"]) for file in one.files if not str(file["path"]).endswith(".json")]
    first = paths[0] if paths else one.database
    return f"{run.name}/{first.partition('/')[0]}"


def _head(run: Run, one: Dumped) -> str:
    name = _dump_of(run, one)
    toc = f"{name}/toc.dat"
    return toc if toc.removeprefix(f"{run.name}/") in run.entries else ""


def _first(run: Run, one: Dumped) -> str:
    """Return the storage class of a dump."""
    name = (_head(run, one) or _dump_of(run, one)).removeprefix(f"{run.name}/")
    entry = run.entries.get(name)
    return entry.storage_class if entry else ""


def _instant(run: Run, one: Dumped) -> Instant:
    """Return the instant of a dump's snapshot: as written down, or as the name of its file has it."""
    if one.taken_at:
        taken_s = datetime.fromisoformat(one.taken_at).timestamp()
        return Instant(taken_s, taken_s, "manifest")
    match = _STAMP.search(_dump_of(run, one))
    if match is None:
        return Instant(run.begun_s, run.begun_s, "name")
    taken = datetime.strptime(match["stamp"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    taken += int(match["ms"] or 0) / 1000
    return Instant(taken, taken, "name")
