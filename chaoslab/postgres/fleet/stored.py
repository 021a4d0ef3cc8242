"""Find the dump of each database in a backup set of chaoslab's, in a store of such sets, or in any folder of dumps.

STORE/20260131T020000Z/set.json    a whole set; the newest is taken
SET/shop-20260131T020000Z.dump     with its manifest beside it
FOLDER/shop.dump, FOLDER/shop_2026-01-31.sql.gz, FOLDER/db-1_5432/shop.dump
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.logical.archive import NotABackup, open_backup
from chaoslab.postgres.logical.manifest import read_manifest
from chaoslab.postgres.programs.binaries import Binaries

SET = "set.json"
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_DATE = re.compile(r"[-_.](?:\d{8}|\d{4}-\d{2}-\d{2})(?:[-_T]?[\d:-]{2,8})?Z?$")
_ENDINGS = (".dump", ".dir", ".sql", ".sql.gz", ".tar", ".backup", ".pgdump", ".custom", ".dmp", ".pg")
_NO_DUMP = (".globals.sql", ".manifest.json", ".json", ".partial", ".sha256", ".md5", ".log", ".txt")


@dataclass(frozen=True, slots=True)
class Stored:
    """The dumps of a folder."""

    folder: Path
    dumps: dict[str, list[Path]] = field(default_factory=dict)
    """By database, the newest first."""
    unreadable: list[Difference] = field(default_factory=list)
    """What looks like a dump and is none."""
    of_servers: dict[tuple[str, str], Path] = field(default_factory=dict)
    """By server and database, where a set.json says it."""
    roles: dict[str, Path] = field(default_factory=dict)
    """The roles of each server, where a set.json says it."""

    def dump_of(self, database: str, label: str) -> Path | None:
        """Return the newest dump of a server's database.

        Args:
            database: its name
            label: its server's; a dump in a folder that is called after another server is not taken
        """
        if (label, database) in self.of_servers:
            return self.of_servers[label, database]
        found = self.dumps.get(database, [])
        own = [path for path in found if path.parent.name in {_as_file(label), label.partition(":")[0]}]
        shared = [path for path in found if path.parent == self.folder]
        if self.of_servers and len(shared) > 1:
            return None  # the set knows the server by another name, and has this database of more than one
        return next(iter(own or shared), None)

    def globals_of(self, dump: Path, label: str) -> Path | None:
        """Return the file with the roles of a dump's server, if there is just one that can be meant."""
        if label in self.roles:
            return self.roles[label]
        found = sorted(dump.parent.glob("*globals.sql"))
        own = [path for path in found if path.name == f"{_as_file(label)}.globals.sql"]
        return own[0] if own else (found[0] if len(found) == 1 else None)


def stored_dumps(place: Path, wanted: Sequence[str], binaries: Binaries) -> Stored:
    """Look through a folder.

    Args:
        place: a store, a set, or a folder of dumps
        wanted: databases whose dumps are looked for: a file that is called after one need not be opened
        binaries: PostgreSQL programs at least as new as the dumps

    Raises:
        BadUsage: there is no such folder, or nothing whole in it.
    """
    folder = _set_of(place)
    stored = Stored(folder)
    if (folder / SET).is_file():
        return _of_set(stored)
    by_file = {_as_file(name): name for name in wanted}
    for path in _candidates(folder):
        manifest = read_manifest(path)
        try:
            named = by_file.get(_stem(path), "")
            name = str(manifest["database"]) if manifest else named or open_backup(path, binaries).database
        except NotABackup as broken:
            stored.unreadable.append(broken.difference)
            continue
        stored.dumps.setdefault(name or _stem(path), []).append(path)
    for paths in stored.dumps.values():
        paths.sort(key=_made_at, reverse=True)
    return stored


def _of_set(stored: Stored) -> Stored:
    """Take what a set's own list says; a dump that it calls failed is none."""
    try:
        said = json.loads((stored.folder / SET).read_text())
        for one in said["databases"]:
            if one["outcome"] == "ok":
                path = stored.folder / one["dump"]
                stored.of_servers[one["server"], one["database"]] = path
                stored.dumps.setdefault(one["database"], []).append(path)
        for one in said["servers"]:
            for file in one["files"]:
                stored.roles[one["server"]] = stored.folder / file["path"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
        raise BadUsage(f"{stored.folder / SET} cannot be understood: {type(broken).__name__}: {broken}") from None
    return stored


def _set_of(place: Path) -> Path:
    """Return the folder itself, or the newest whole set when it is a store of sets."""
    try:
        entries = list(place.iterdir())
    except OSError as broken:
        raise BadUsage(f"the backups in {place} cannot be read: {broken.strerror}") from None
    sets = sorted(entry for entry in entries if _STAMP.fullmatch(entry.name) and (entry / SET).is_file())
    if sets:
        return sets[-1]
    if any(_STAMP.match(entry.name) and entry.name.endswith(".partial") for entry in entries):
        raise BadUsage(f"{place} holds no whole backup set: each is called .partial, so its making was cut off")
    return place


def _candidates(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not (path / "toc.dat").exists() and not path.name.endswith((".dir", ".partial")):
            yield from (inner for inner in sorted(path.iterdir()) if _is_dump(inner))
        elif _is_dump(path):
            yield path


def _is_dump(path: Path) -> bool:
    if path.name.endswith(_NO_DUMP) or path.name == "globals.sql":
        return False
    return path.name.endswith(_ENDINGS) or (path / "toc.dat").exists()


def _stem(path: Path) -> str:
    """Return the database that a file is called after: without ending, date and time."""
    name = next(
        (path.name.removesuffix(end) for end in sorted(_ENDINGS, key=len, reverse=True) if path.name.endswith(end)),
        path.name,
    )
    return _DATE.sub("", name)


def _made_at(path: Path) -> str:
    """Return what tells which of two dumps is newer."""
    manifest = read_manifest(path)
    date = _DATE.search(path.name.split(".")[0])
    return str(manifest["taken_at"]) if manifest else (date[0] if date else f"{path.stat().st_mtime:020.6f}")


def _as_file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)
