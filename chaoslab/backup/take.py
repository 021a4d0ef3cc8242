"""Dump many databases of one or many servers at the same time, each with its manifest, and each server's roles once.

One server's files lie side by side; those of several lie in a folder each, called after their server.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from chaoslab import __version__
from chaoslab.backup.sets import BackupSet, DatabaseEntry, ServerEntry, StoredFile
from chaoslab.core.errors import Aborted, ChaoslabError
from chaoslab.postgres.fleet.capacity import available_memory
from chaoslab.postgres.fleet.members import Member, Server, patterns_of, servers_of, survey
from chaoslab.postgres.logical.archive import Backup
from chaoslab.postgres.logical.backup import Wish, dump_globals, take_backup
from chaoslab.postgres.logical.manifest import describe_files, manifest_path, write_manifest
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.runtime.clock import CLOCK, stamp
from chaoslab.runtime.workers import Stopped, Workers

_MEMORY_EACH = 192 << 20
"""A database that is dumped: pg_dump, two connections that digest, and what the server sends them."""
_ROLES_DEADLINE_S = 300.0
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be dumped, and how."""

    sources: Sequence[str]
    """Connection strings, one a server."""
    databases: str | Sequence[str] = "all"
    exclude: tuple[str, ...] = ()
    workers: int = 0
    """Databases at the same time; 0 leaves it to the machine."""
    wish: Wish = field(default_factory=Wish)
    bin_dir: str = ""


@dataclass(frozen=True, slots=True)
class Watching:
    """Who watches."""

    check: Callable[[], None] = field(default=lambda: None)
    """Called again and again; what it raises stops everything."""
    chosen: Callable[[Sequence[Member]], None] = field(default=lambda _: None)
    begun: Callable[[Member], None] = field(default=lambda _: None)
    ended: Callable[[DatabaseEntry], None] = field(default=lambda _: None)
    """Called from the thread that dumped it."""


@dataclass
class _Chosen:
    servers: dict[str, Server] = field(default_factory=dict)
    entries: dict[str, ServerEntry] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    failed: list[DatabaseEntry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def choose(request: Request) -> tuple[list[Member], list[str], dict[str, str]]:
    """Return the databases that would be dumped, the largest first; what fails; and what is left out, with reasons.

    Raises:
        BadUsage: the request makes no sense.
    """
    chosen = _choose(request)
    failures = [f"{one.server}: {one.error}" for one in chosen.entries.values() if one.outcome != "ok"]
    failures += [f"{one.database}: {one.error}" for one in chosen.failed]
    return chosen.members, failures, chosen.left_out


def take_set(request: Request, name: str, folder: Path, watching: Watching) -> BackupSet:
    """Dump everything that is asked for into a folder. A database that fails stops no other.

    Args:
        request: what
        name: the stamp of the set
        folder: where; empty
        watching: who watches

    Raises:
        BadUsage: the request makes no sense.
    """
    begun = CLOCK.wall()
    chosen = _choose(request)
    watching.chosen(chosen.members)
    binaries = {label: _binaries(one, request) for label, one in chosen.entries.items() if one.outcome == "ok"}
    for label, entry in list(chosen.entries.items()):
        watching.check()
        if entry.outcome == "ok":
            chosen.entries[label] = _roles(chosen.servers[label], entry, folder, binaries[label])
    done: dict[str, DatabaseEntry] = {}
    # `a.b` and `a_b` have files of one name; dumped one after the other, their instants tell them apart.
    turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def one(member: Member) -> None:
        with turns[file_name(member.name)]:
            watching.begun(member)
            done[member.name] = dump(member)
        watching.ended(done[member.name])

    def dump(member: Member) -> DatabaseEntry:
        roles = chosen.entries[member.server].files
        wish = replace(request.wish, roles=False, watch=pool.check)
        server = chosen.servers[member.server]
        return _dump(member, server, folder, binaries[member.server], wish, roles=roles)

    pool = Workers(chosen.members, one, workers=request.workers or _workers())
    pool.run(watching.check)
    return _set_of(name, begun, chosen, [done[member.name] for member in chosen.members])


def _choose(request: Request) -> _Chosen:
    servers, patterns = servers_of(request.sources), patterns_of(request.databases)
    chosen, unmatched = _Chosen({server.label: server for server in servers}), []
    for server in servers:
        try:
            found = survey(server, patterns)
        except ChaoslabError as broken:
            chosen.entries[server.label] = ServerEntry(server.label, "failed", str(broken))
            continue
        chosen.entries[server.label] = ServerEntry(server.label, "ok", server_major=found.major)
        kept = [one for one in found.chosen if not _is_excluded(one, request.exclude)]
        chosen.members += kept
        chosen.left_out |= found.left_out
        chosen.left_out |= {one.name: "it is excluded" for one in found.chosen if one not in kept}
        unmatched.append(set(found.unmatched))
    # A server that did not answer may have what the others have not.
    if len(unmatched) == len(servers):
        chosen.failed = [_absent(one) for one in sorted(set.intersection(*unmatched))]
    chosen.members.sort(key=lambda member: (-member.bytes, member.name))
    return chosen


def _absent(pattern: str) -> DatabaseEntry:
    what = "no database fits this pattern" if _PATTERN.search(pattern) else "there is no such database"
    return DatabaseEntry("", pattern, "failed", what)


def _is_excluded(member: Member, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(member.database, one) or fnmatchcase(member.name, one) for one in patterns)


def _binaries(entry: ServerEntry, request: Request) -> Binaries:
    return find_binaries(entry.server_major, request.bin_dir)


def _workers() -> int:
    return max(1, min(max(2, len(os.sched_getaffinity(0))), available_memory() // _MEMORY_EACH))


def _place(server: Server, folder: Path) -> Path:
    return folder if server.alone else folder / file_name(server.label)


def file_name(label: str) -> str:
    """Return a server's address as the name of a file: `db-1_5432`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", label)


def _roles(server: Server, entry: ServerEntry, folder: Path, binaries: Binaries) -> ServerEntry:
    path = _place(server, folder) / f"{file_name(server.label)}.globals.sql"
    try:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        dump_globals(server.dsn, path, binaries, deadline_s=_ROLES_DEADLINE_S)
    except (ChaoslabError, OSError) as broken:
        path.unlink(missing_ok=True)
        # Its databases are dumped all the same: whether there is disk enough for them, they will find out themselves.
        return replace(entry, outcome="failed", error=str(broken))
    return replace(entry, files=_stored(folder, [path]))


def _dump(
    member: Member, server: Server, folder: Path, binaries: Binaries, wish: Wish, *, roles: Sequence[StoredFile]
) -> DatabaseEntry:
    begun_s = CLOCK.mono()
    try:
        backup = take_backup(server.dsn_of(member.database), _place(server, folder), binaries, wish)
        files = _with_roles(backup, folder, roles)
    except (Aborted, Stopped):
        raise
    except (ChaoslabError, OSError) as broken:
        return DatabaseEntry(member.server, member.database, "failed", str(broken))
    known = backup.manifest or {}
    return DatabaseEntry(
        member.server,
        member.database,
        "ok",
        taken_at=str(known["taken_at"]),
        lsn=str(known["lsn"]),
        server_version=str(known["server_version"]),
        duration_s=round(CLOCK.mono() - begun_s, 3),
        bytes=backup.bytes,
        dump=str(backup.path.relative_to(folder)),
        manifest=str(manifest_path(backup.path).relative_to(folder)),
        files=files,
    )


def _with_roles(backup: Backup, folder: Path, roles: Sequence[StoredFile]) -> tuple[StoredFile, ...]:
    """Write into a dump's manifest which file beside it holds the roles, dumped once for all of its server.

    Return the files of the dump, which were read for their checksums already, and its manifest.
    """
    assert backup.manifest is not None
    place = backup.path.parent.relative_to(folder)
    dumped = [replace(_file(one), path=str(place / one["path"])) for one in backup.manifest["files"]]
    if roles:
        beside = [{"path": Path(one.path).name, "bytes": one.bytes, "sha256": one.sha256} for one in roles]
        manifest = {**backup.manifest, "globals": beside[0]["path"], "globals_error": ""}
        write_manifest(backup.path, {**manifest, "files": [*manifest["files"], *beside]})
    return (*dumped, *_stored(folder, [manifest_path(backup.path)]))


def _stored(folder: Path, paths: Sequence[Path]) -> tuple[StoredFile, ...]:
    return tuple(_file(one) for one in describe_files(folder, paths))


def _file(described: Mapping[str, Any]) -> StoredFile:
    return StoredFile(str(described["path"]), int(described["bytes"]), str(described["sha256"]))


def _set_of(name: str, begun: datetime, chosen: _Chosen, done: Sequence[DatabaseEntry]) -> BackupSet:
    return BackupSet(
        stamp=name,
        started_at=stamp(begun),
        ended_at=stamp(CLOCK.wall()),
        host=socket.gethostname(),
        chaoslab=__version__,
        servers=tuple(chosen.entries.values()),
        databases=(*done, *chosen.failed),
    )
