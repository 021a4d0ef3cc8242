"""A set of backups: what one run took, as its `set.json` says it.

    {"schema": "chaoslab.backup-set/1", "stamp": "20261121T020000Z", "started_at", "ended_at", "host", "chaoslab",
     "servers":   [{"server": "db-1:5432", "outcome": "ok|failed", "error", "server_major",
                    "files": [{"path": "db-1_5432.globals.sql", "bytes", "sha256"}]}],
     "databases": [{"server": "db-1:5432", "database": "shop", "outcome": "ok|failed", "error",
                    "taken_at", "lsn", "server_version", "duration_s", "bytes",
                    "dump": "shop-20261121T020000123Z.dump", "manifest": "shop-20261121T020000123Z.manifest.json",
                    "files": [{"path", "bytes", "sha256"}]}]}

Paths are relative to the folder of the set. It is written last of all: a folder without it is no set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from chaoslab.backup.retention import Kept
from chaoslab.backup.stamp import is_stamp
from chaoslab.core.errors import ChaoslabError

SCHEMA = "chaoslab.backup-set/1"
SET = "set.json"
Outcome = Literal["ok", "failed"]


class BadSet(ChaoslabError):
    """A set.json that says something else than it must."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a set."""

    path: str
    """Relative to the folder of the set."""
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """What became of a server's roles and settings."""

    server: str
    outcome: Outcome
    error: str = ""
    server_major: int = 0
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """What became of a database."""

    server: str
    database: str
    outcome: Outcome
    error: str = ""
    taken_at: str = ""
    """By the server's clock: the instant of its snapshot."""
    lsn: str = ""
    server_version: str = ""
    duration_s: float = 0.0
    bytes: int = 0
    """The size of its dump, without manifest."""
    dump: str = ""
    manifest: str = ""
    files: tuple[StoredFile, ...] = ()
    """The dump and its manifest."""

    @property
    def name(self) -> str:
        """What nobody else is called."""
        return f"{self.server}/{self.database}"


@dataclass(frozen=True, slots=True)
class BackupSet:
    """What one run took."""

    stamp: str
    started_at: str
    ended_at: str
    host: str
    chaoslab: str
    servers: tuple[ServerEntry, ...]
    databases: tuple[DatabaseEntry, ...]

    @property
    def good(self) -> frozenset[str]:
        """The databases whose dump is good."""
        return frozenset(one.name for one in self.databases if one.outcome == "ok")

    @property
    def failures(self) -> list[str]:
        """What went wrong, a line each."""
        return [
            *(f"{one.server}: {one.error}" for one in self.servers if one.outcome != "ok"),
            *(f"{one.name}: {one.error}" for one in self.databases if one.outcome != "ok"),
        ]

    @property
    def kept(self) -> Kept:
        """What retention has to know of it."""
        return Kept(self.stamp, self.good)

    def files(self) -> Iterator[StoredFile]:
        """Yield all its files but set.json, roles first."""
        for server in self.servers:
            yield from server.files
        for database in self.databases:
            yield from database.files

    def to_json(self) -> str:
        """Return the text of set.json."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def parse_set(text: str | bytes, where: str) -> BackupSet:
    """Read a set.json.

    Args:
        text: what it holds
        where: what errors call it

    Raises:
        BadSet: it is torn, of another format, or names files outside the set.
    """
    try:
        said = json.loads(text)
        if said.pop("schema") != SCHEMA:
            raise BadSet(f"{where} is of a format that this chaoslab does not know")
        servers = tuple(ServerEntry(**_known(ServerEntry, one)) for one in said["servers"])
        databases = tuple(DatabaseEntry(**_known(DatabaseEntry, one)) for one in said["databases"])
        found = BackupSet(**{**_known(BackupSet, said), "servers": servers, "databases": databases})
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise BadSet(f"{where} cannot be understood: {type(broken).__name__}: {broken}") from None
    outside = [one.path for one in found.files() if one.path.startswith("/") or ".." in one.path.split("/")]
    if outside or not is_stamp(found.stamp):
        raise BadSet(f"{where} names what does not belong to it: {(outside or [found.stamp])[0]!r}")
    return found


def _known(kind: type, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what we know of an entry; a later chaoslab may say more."""
    found = {one.name: entry[one.name] for one in fields(kind) if one.name in entry}
    if "files" in found:
        files = found["files"]
        found["files"] = tuple(StoredFile(str(one["path"]), int(one["bytes"]), str(one["sha256"])) for one in files)
    return found
