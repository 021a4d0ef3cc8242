"""Open a dump that somebody made, and find out whether it is whole before it is needed."""

from __future__ import annotations

import gzip
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.logical.manifest import differences_from_manifest, read_manifest
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import last_line
from chaoslab.postgres.programs.tools import running

Form = Literal["custom", "directory", "tar", "plain", "plain.gz"]

_LIST_DEADLINE_S = 120.0
_CHUNK = 1 << 20
_PLAIN_BEGIN = b"-- PostgreSQL database dump"
_CLUSTER_BEGIN = b"-- PostgreSQL database cluster dump"
_PLAIN_END = b"-- PostgreSQL database dump complete"
_HEADER = re.compile(r"^;\s+(?P<key>dbname|Dumped from database version|Dumped by pg_dump version): (?P<value>.+)$")
_CREATED = re.compile(r"^; Archive created at (?P<value>.+)$")
_CUT_OFF = ("end of file", "unexpected end", "could not read from input file", "incomplete")


class NotABackup(ChaoslabError):
    """A path that holds no dump which can be restored."""

    def __init__(self, difference: Difference) -> None:
        """Take the finding that says what is wrong."""
        super().__init__(difference.message)
        self.difference = difference


@dataclass(frozen=True, slots=True)
class Backup:
    """A dump of one database, and what is known about it."""

    path: Path
    form: Form
    database: str = ""
    """The name of the dumped database; '' where a plain dump does not say."""
    server_major: int = 0
    """The major version of the server it was taken from; 0 if unknown."""
    dumped_by_major: int = 0
    created: str = ""
    """When it was begun, as its header says."""
    globals_path: Path | None = None
    """Roles, memberships and role settings; a dump of one database holds none of them."""
    manifest: dict[str, Any] | None = None
    """What chaoslab wrote down when it made the dump; None when somebody else did."""

    @property
    def files(self) -> list[Path]:
        """All files of the dump itself, without globals and manifest."""
        return sorted(self.path.iterdir()) if self.form == "directory" else [self.path]

    @property
    def bytes(self) -> int:
        """The size of the dump."""
        return sum(path.stat().st_size for path in self.files)


def open_backup(path: Path, binaries: Binaries, *, globals_path: Path | None = None) -> Backup:
    """Find out what a dump is from its header; its content is not read yet.

    Args:
        path: a file of pg_dump (custom, tar, plain, plain with gzip) or a folder of its directory format
        binaries: PostgreSQL programs at least as new as those that made the dump
        globals_path: where its roles are; looked for beside the dump if not given

    Raises:
        BadUsage: it is missing, may not be read, is no file, or is the dump of a whole cluster.
        NotABackup: it is damaged at its beginning, or no dump at all.
    """
    for one in (path, *([globals_path] if globals_path else [])):
        if one.exists() and not (one.is_file() or one.is_dir()):
            raise BadUsage(f"{one} is neither a file nor a folder: a pipe or a device may never end")
    form = _form_of(path)
    manifest = read_manifest(path)
    globals_path = globals_path or _globals_beside(path, manifest)
    if form in ("plain", "plain.gz"):
        return Backup(path, form, globals_path=globals_path, manifest=manifest, **_plain_header(path, form))
    said = _list(path, binaries)
    return Backup(path, form, globals_path=globals_path, manifest=manifest, **_header(said))


def damage(backup: Backup, binaries: Binaries, *, deadline_s: float, watch: Callable[[], None]) -> list[Difference]:
    """Return what is wrong with a dump's files: their checksums when known, and whether they read to the end.

    Args:
        backup: the dump
        binaries: PostgreSQL programs
        deadline_s: seconds that reading may take
        watch: called again and again meanwhile; what it raises stops the reading
    """
    where = backup.path.name
    if backup.manifest is not None:
        # Files that are byte for byte those that were written need not be read once more.
        return differences_from_manifest(backup.path, backup.manifest)
    if backup.form in ("plain", "plain.gz"):
        return list(_plain_damage(backup))
    command: list[str | Path] = [binaries.program("pg_restore"), "--file=/dev/null", backup.path]
    with running(command) as program:
        ended = program.wait(deadline_s, watch)
    if ended.status == 0:
        return []
    return [damaged(where, ended.messages)]


def here(backup: str) -> Path:
    """Return where a backup lies on this machine, by what the user wrote.

    Raises:
        BadUsage: it is the address of an object store: what lies there has to be fetched before the drill.
    """
    if "://" in backup:
        fetch = f"aws s3 cp --recursive {backup.rstrip('/')}/ set/"
        raise BadUsage(f"backup: {backup} does not lie on this machine; fetch it first ({fetch}), and name what came")
    return Path(backup).absolute()


def require_one_dump(path: Path) -> None:
    """Refuse a folder with the dumps of several databases: which one is meant?

    Raises:
        BadUsage: it is one; says how they all are restored.
    """
    if path.is_dir() and not (path / "toc.dat").exists() and next(path.glob("**/set.json"), None):
        raise BadUsage(
            f"{path} holds the dumps of many databases: name one of them, "
            f"or restore them all with `chaoslab run postgres-fleet --var backup={path}`"
        )


def damaged(where: str, messages: str) -> Difference:
    """Return the finding for a dump that a program could not read, by what the program said."""
    reason = last_line(messages)
    cut_off = any(sign in messages for sign in _CUT_OFF)
    code = "backup-truncated" if cut_off else "backup-corrupt"
    return Difference(code, where, f"{where} {'ends too early' if cut_off else 'is damaged'}: {reason}")


def _form_of(path: Path) -> Form:
    try:
        if path.is_dir():
            if not (path / "toc.dat").exists():
                raise _broken(path, "is a folder without toc.dat, so no dump in directory format")
            return "directory"
        with path.open("rb") as stream:
            begin = stream.read(512)
    except OSError as broken:
        hint = "; the shell expands no pattern here: write the whole name" if "*" in path.name else ""
        raise BadUsage(f"the backup {path} cannot be read: {broken.strerror}{hint}") from None
    if begin.startswith(b"PGDMP"):
        return "custom"
    if begin.startswith(b"\x1f\x8b"):
        return "plain.gz"
    if begin[257:262] == b"ustar":
        return "tar"
    if _CLUSTER_BEGIN in begin:
        raise BadUsage(f"{path} is a dump of a whole cluster (pg_dumpall); give the dump of one database")
    if _PLAIN_BEGIN in begin:
        return "plain"
    raise _broken(path, f"is no dump of pg_dump{_resembles(begin)}")


def _broken(path: Path, what: str, code: str = "backup-corrupt") -> NotABackup:
    return NotABackup(Difference(code, path.name, f"{path.name} {what}"))


def _resembles(begin: bytes) -> str:
    if not begin:
        return ": it is empty"
    if begin.startswith(b"\x28\xb5\x2f\xfd"):
        return ", but compressed with zstd: decompress it first"
    if begin.startswith(b"\x04\x22\x4d\x18"):
        return ", but compressed with lz4: decompress it first"
    if begin.startswith((b"-----BEGIN PGP", b"age-encryption", b"Salted__")):
        return ", but encrypted: decrypt it first"
    return ""


def _list(path: Path, binaries: Binaries) -> str:
    """Return the header and table of contents that pg_restore reads."""
    with tempfile.TemporaryFile() as listing:
        command: list[str | Path] = [binaries.program("pg_restore"), "--list", path]
        with running(command, stdout=listing) as program:
            ended = program.wait(_LIST_DEADLINE_S)
        if ended.status != 0:
            if "unsupported version" in ended.messages:
                what = f"was made by a newer pg_dump than {binaries.version} can read"
                raise _broken(path, what, "backup-too-new")
            raise NotABackup(damaged(path.name, ended.messages))
        listing.seek(0)
        return listing.read().decode(errors="replace")


def _header(listing: str) -> dict[str, Any]:
    found: dict[str, str] = {}
    for line in listing.splitlines()[:20]:
        match = _HEADER.match(line)
        if match:
            found[match["key"]] = match["value"].strip()
        created = _CREATED.match(line)
        if created:
            found["created"] = created["value"].strip()
    return {
        "database": found.get("dbname", ""),
        "server_major": _major(found.get("Dumped from database version", "")),
        "dumped_by_major": _major(found.get("Dumped by pg_dump version", "")),
        "created": found.get("created", ""),
    }


def _plain_header(path: Path, form: Form) -> dict[str, Any]:
    try:
        with open_plain(path, form) as stream:
            begin = stream.read(16384).decode(errors="replace")
    except (OSError, EOFError, zlib.error) as broken:
        raise _broken(path, f"cannot be opened: {broken}") from None
    if form == "plain.gz" and _PLAIN_BEGIN.decode() not in begin:
        raise _broken(path, "is compressed, but what is in it is no dump of pg_dump")
    connect = re.search(r'^\\connect (?:-reuse-previous=on )?"?(?:dbname=)?\'?(?P<name>[^"\'\n]+)', begin, re.M)
    return {
        "database": connect["name"] if connect else "",
        "server_major": _major(_after(begin, "-- Dumped from database version ")),
        "dumped_by_major": _major(_after(begin, "-- Dumped by pg_dump version ")),
    }


def _plain_damage(backup: Backup) -> Iterator[Difference]:
    """A plain dump cut in half restores without an error: only its last line says that it is whole."""
    where, tail = backup.path.name, b""
    try:
        with open_plain(backup.path, backup.form) as stream:
            while chunk := stream.read(_CHUNK):
                tail = (tail + chunk)[-4096:]
    except EOFError:
        yield Difference("backup-truncated", where, f"{where} ends in the middle of its compressed data")
        return
    except (OSError, zlib.error) as broken:
        yield Difference("backup-corrupt", where, f"{where} is damaged: {broken}")
        return
    if _PLAIN_END not in tail:
        yield Difference("backup-truncated", where, f"{where} lacks its last line, 'PostgreSQL database dump complete'")


def open_plain(path: Path, form: Form) -> Any:
    """Open a plain dump for reading bytes, decompressed."""
    return gzip.open(path, "rb") if form == "plain.gz" else path.open("rb")


def _globals_beside(path: Path, manifest: dict[str, Any] | None) -> Path | None:
    stem = path.name.split(".")[0]
    names = [(manifest or {}).get("globals") or "", f"{stem}.globals.sql", f"{path.name}.globals.sql"]
    names += ["globals.sql"]
    return next((path.parent / name for name in names if name and (path.parent / name).is_file()), None)


def _after(text: str, label: str) -> str:
    _, found, rest = text.partition(label)
    return rest.splitlines()[0] if found and rest else ""


def _major(version: str) -> int:
    match = re.match(r"(\d+)", version)
    return int(match[1]) if match else 0
