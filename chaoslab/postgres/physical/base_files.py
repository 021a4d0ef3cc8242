"""The files of one pg_basebackup: a plain folder, or a folder of tar files, with a manifest beside them or not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical import backup_manifest
from chaoslab.postgres.physical.backup_manifest import BackupManifest, ManifestBroken, Opened
from chaoslab.postgres.physical.copying import copy_tree, members, unpack
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.programs.commands import ServerUser
from chaoslab.postgres.servers.folders import give

_TAR = re.compile(r"(?P<name>base|\d+)\.tar(?:\.gz|\.zst|\.lz4)?")
_SYSTEM_IDENTIFIER_BYTES = 8
"""pg_control begins with it, least byte first on the machines that we run on."""


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """Where the files of a base backup are."""

    folder: Path
    form: Literal["plain", "tar"]

    @property
    def label(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def size_bytes(self) -> int:
        """How large it is."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def tars(self) -> dict[str, Path]:
        """Return the tar files by name: `base`, and the number of each tablespace."""
        found = ((_TAR.fullmatch(path.name), path) for path in sorted(self.folder.iterdir()))
        return {match["name"]: path for match, path in found if match}

    def read(self, wanted: set[str]) -> dict[str, bytes]:
        """Return the content of small files in the data folder; those that are not there are left out.

        Raises:
            RepositoryFailed: a tar file is damaged.
        """
        if self.form == "plain":
            return {name: (self.folder / name).read_bytes() for name in wanted if (self.folder / name).is_file()}
        known: dict[str, bytes] = {}
        for member, content in members(self.tars()["base"]):
            name = member.name.removeprefix("./")
            if name in wanted and content is not None:
                known[name] = content.read()
                if known.keys() == wanted:
                    break
        return known

    def system_identifier(self) -> str:
        """Return the identifier in its pg_control; '' where that would take reading a packed file to its end."""
        if self.form == "tar" and self.tars()["base"].suffix != ".tar":
            return ""
        control = self.read({"global/pg_control"}).get("global/pg_control", b"")
        return str(int.from_bytes(control[:_SYSTEM_IDENTIFIER_BYTES], "little")) if control else ""

    def manifest(self) -> BackupManifest | None:
        """Return its manifest; None without one.

        Raises:
            ManifestBroken: it is torn or was changed.
        """
        path = self.folder / backup_manifest.NAME
        return backup_manifest.parse(path.read_bytes()) if path.exists() else None

    def check(self, watch: Callable[[], None]) -> list[Difference]:
        """Say what is wrong with its files, by its manifest; every byte is read once."""
        try:
            manifest = self.manifest()
        except ManifestBroken as broken:
            message = f"the manifest of {self.label} cannot be trusted: {broken}"
            return [Difference("manifest-broken", self.label, message)]
        if manifest is None:
            message = f"{self.label} has no manifest: nothing tells whether its files are what was written"
            return [Difference("manifest-missing", self.label, message, severity="warning")]
        try:
            return backup_manifest.differences(manifest, self._content(), watch)
        except RepositoryFailed as failed:
            return list(failed.differences)

    def put(self, data: Path, tablespaces: Path, owner: ServerUser | None, watch: Callable[[], None]) -> None:
        """Put its files into an empty data folder, and its tablespaces below another.

        Raises:
            RepositoryFailed: something is damaged or missing.
            OSError: something cannot be read or written.
        """
        if self.form == "plain":
            copy_tree(self.folder, data, owner, watch)
            links = data / "pg_tblspc"
            for number, place in _linked(self.folder).items():
                if not place.is_dir():
                    raise _no_tablespace(self.label, number)
                copy_tree(place, _tablespace(tablespaces, number, links, owner), owner, watch)
        else:
            tars = self.tars()
            unpack(tars.pop("base"), data, owner, watch)
            for number in _mapped(data):
                if number not in tars:
                    raise _no_tablespace(self.label, number)
            for number, path in tars.items():
                unpack(path, _tablespace(tablespaces, number, data / "pg_tblspc", owner), owner, watch)
        # It names the original's places, and a starting server would make links to them.
        (data / "tablespace_map").unlink(missing_ok=True)

    def _content(self) -> Iterator[Opened]:
        if self.form == "plain":
            yield from _plain_content(self.folder, "")
            for number, place in _linked(self.folder).items():
                if place.is_dir():
                    yield from _plain_content(place, f"pg_tblspc/{number}/")
            return
        for name, path in self.tars().items():
            prefix = "" if name == "base" else f"pg_tblspc/{name}/"
            for member, content in members(path):
                if content is not None:
                    yield prefix + member.name.removeprefix("./"), member.size, content


def find(root: Path) -> list[BaseFiles]:
    """Return the base backups in a folder: itself, those in it, and those one deeper.

    Raises:
        OSError: a folder cannot be looked into.
    """
    candidates = [root, *_subfolders(root)]
    found: list[BaseFiles] = []
    for folder in candidates:
        form = _form(folder)
        if form:
            found.append(BaseFiles(folder, form))
        elif folder != root:
            found += [BaseFiles(inner, form) for inner in _subfolders(folder) if (form := _form(inner))]
    return found


def _form(folder: Path) -> Literal["plain", "tar"] | None:
    if (folder / "PG_VERSION").is_file() and (folder / "global").is_dir():
        return "plain"
    return "tar" if any((folder / f"base.tar{end}").is_file() for end in ("", ".gz", ".zst", ".lz4")) else None


def _subfolders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def _plain_content(folder: Path, prefix: str) -> Iterator[Opened]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here, name)
            if path.is_symlink():
                continue
            with path.open("rb") as stream:
                yield prefix + str(path.relative_to(folder)), path.stat().st_size, stream


def _linked(folder: Path) -> dict[str, Path]:
    """Return the tablespaces that a plain backup links to."""
    links = folder / "pg_tblspc"
    found = sorted(links.iterdir()) if links.is_dir() else []
    return {path.name: path.resolve() for path in found if path.is_symlink()}


def _mapped(data: Path) -> list[str]:
    """Return the numbers of the tablespaces that an unpacked backup speaks of."""
    path = data / "tablespace_map"
    return [line.split(" ", 1)[0] for line in path.read_text().splitlines() if line] if path.exists() else []


def _tablespace(tablespaces: Path, number: str, links: Path, owner: ServerUser | None) -> Path:
    """Make a place of ours for a tablespace, and the link to it."""
    place, link = tablespaces / number, links / number
    place.mkdir(mode=0o700)
    give(place, owner)
    if not links.exists():
        links.mkdir(mode=0o700)
        give(links, owner)
    link.unlink(missing_ok=True)
    link.symlink_to(place)
    return place


def _no_tablespace(label: str, number: str) -> RepositoryFailed:
    message = f"{label} uses the tablespace {number}, whose files are not in the backup"
    return RepositoryFailed(message, [Difference("tablespace-missing", number, message)])
