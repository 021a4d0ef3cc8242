"""Read the newest backup of each database as far as time allows, and say what is wrong with its bytes.

Files of a run by chaoslab are held against their checksums; so is a dump that has a `.sha256` or `.md5` beside it. Any
other dump is read to its end: its own format says whether it is whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaoslab.backup.freshness.evidence import Copy
from chaoslab.backup.freshness.headers import HEADER_BYTES, PLAIN_END, TRAILER_BYTES, Header, read_header
from chaoslab.backup.freshness.judge_age import where_of
from chaoslab.backup.freshness.places import FolderPlace, Place, PlaceUnreadable
from chaoslab.core.errors import ChaoslabError, Missing
from chaoslab.postgres.difference import Difference

SIDECARS = (".sha256", ".sha256sum", ".md5")
"""Endings of files that hold the checksum of the dump beside them."""
_DIGEST = re.compile(r"\b[0-9a-fA-F]{32,64}\b")


MANIFEST = ".manifest.json"


class OutOfTime(Exception):
    """The time that reading may take is over."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long reading may go on."""

    mono_s: Callable[[], float]
    until_s: float
    watch: Callable[[], None] = field(default=lambda: None)

    def left_s(self) -> float:
        """Return the seconds that are left."""
        return self.until_s - self.mono_s()

    def check(self) -> None:
        """Return at once while there is time.

        Raises:
            OutOfTime: there is none left.
        """
        self.watch()
        if self.left_s() <= 0:
            raise OutOfTime


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of reading one copy."""

    differences: tuple[Difference, ...] = ()
    how: str = ""
    """How it was proved: `checksum`, `read to its end`; '' when it was not."""
    why_not: str = ""
    """Why it was not read."""


def look_at(
    place: Place,
    copy: Copy,
    *,
    expected: Sequence[Mapping[str, Any]],
    beside: Collection[str],
    budget: Budget,
) -> Looked:
    """Read a copy.

    Args:
        place: where it lies
        copy: which one
        expected: its files with `path` (below the place), `bytes` and `sha256`, where a manifest names them
        beside: names of files that may hold its checksum
        budget: how long that may take
    """
    try:
        if expected:
            return _by_manifest(place, copy, expected, budget)
        sidecar = next((copy.name + end for end in SIDECARS if copy.name + end in beside), "")
        return _by_sidecar(place, copy, sidecar, budget) if sidecar else _to_its_end(place, copy, budget)
    except OutOfTime:
        return Looked(why_not="the time for reading was over")
    except PlaceUnreadable as broken:
        return Looked((Difference("backup-place-unreadable", where_of(copy), str(broken), severity="unknown"),))


def _by_manifest(place: Place, copy: Copy, expected: Iterable[Mapping[str, Any]], budget: Budget) -> Looked:
    found = []
    for file in expected:
        actual = _digest(place, file["path"], "sha256", budget)
        if actual != file["sha256"]:
            message = f"{file['path']} is not what was written: its checksum differs"
            where = f"{copy.database}/{copy.place}/{file['path']}"
            found.append(Difference("backup-checksum-differs", where, message, file["sha256"], actual))
        elif file["path"].endswith(MANIFEST):
            found += _contradictions(place, copy, file["path"], expected)
    return Looked(tuple(found), "checksum")


def _contradictions(place: Place, copy: Copy, name: str, expected: Iterable[Mapping[str, Any]]) -> list[Difference]:
    """Hold the manifest of a dump against what its run wrote down: both tell the same of each file."""
    where, folder = f"{copy.database}/{copy.place}/{name}", name.rpartition("/")[0]
    try:
        manifest = json.loads(place.read(name))
        told = {f"{folder}/{file['path']}": file["sha256"] for file in manifest["files"]}
        database = str(manifest["database"])
    except (ValueError, KeyError, TypeError) as broken:
        message = f"{name} cannot be understood: {type(broken).__name__}: {broken}"
        return [Difference("manifest-unreadable", where, message)]
    found = []
    if database != copy.database.partition("@")[0]:
        message = f"{name} is the manifest of {database}"
        found.append(Difference("manifest-contradicts", where, message, copy.database, database))
    for file in expected:
        said = told.get(file["path"], file["sha256"])
        if said != file["sha256"]:
            message = f"{name} and set.json tell different checksums of {file['path']}"
            found.append(Difference("manifest-contradicts", where, message, file["sha256"], said))
    return found


def _by_sidecar(place: Place, copy: Copy, sidecar: str, budget: Budget) -> Looked:
    match = _DIGEST.search(place.read(sidecar, first=4096).decode(errors="replace"))
    algorithm = "md5" if sidecar.endswith(".md5") else "sha256"
    if match is None or len(match[0]) != hashlib.new(algorithm).digest_size * 2:
        message = f"{sidecar} holds no checksum, so it proves nothing about {copy.name}"
        return Looked((Difference("manifest-unreadable", where_of(copy), message),))
    actual = _digest(place, copy.name, algorithm, budget)
    if actual == match[0].lower():
        return Looked(how="checksum")
    message = f"{copy.name} is not what was written: its checksum differs from {sidecar}"
    return Looked(
        (Difference("backup-checksum-differs", where_of(copy), message, match[0].lower(), actual),), "checksum"
    )


def _digest(place: Place, name: str, algorithm: str, budget: Budget) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in place.chunks(name):
        budget.check()
        digest.update(chunk)
    return digest.hexdigest()


def _to_its_end(place: Place, copy: Copy, budget: Budget) -> Looked:
    header = read_header(place.read(copy.first_file, first=HEADER_BYTES))
    budget.check()
    if header.form == "archive":
        return _archive(place, copy, budget)
    if header.form == "plain":
        return _plain(place, copy)
    if header.form == "plain.gz":
        return _plain_gz(place, copy, budget)
    return _neither(copy, header)


def _neither(copy: Copy, header: Header) -> Looked:
    if header.form == "empty":
        return Looked(
            (Difference("backup-truncated", where_of(copy), f"{copy.name} is empty", "a dump", "0 B"),), "read"
        )
    if header.form == "unknown":
        message = f"{copy.name} begins like no dump that we know"
        return Looked((Difference("backup-corrupt", where_of(copy), message),), "read")
    return Looked(why_not=f"it is {header.form}")


def _archive(place: Place, copy: Copy, budget: Budget) -> Looked:
    """Have pg_restore read an archive to its end; its table of contents alone passes when half of it is missing."""
    if not isinstance(place, FolderPlace):
        return Looked(why_not="an archive in an object store is not read without a checksum of it")
    from chaoslab.postgres.logical.archive import NotABackup, damage, open_backup
    from chaoslab.postgres.programs.binaries import find_binaries
    from chaoslab.postgres.programs.tools import TookTooLong

    try:
        binaries = find_binaries()
        path = Path(place.root / copy.name)
        found = damage(open_backup(path, binaries), binaries, deadline_s=budget.left_s(), watch=budget.check)
    except Missing:
        return Looked(why_not="pg_restore is not installed here")
    except TookTooLong:
        return Looked(why_not="the time for reading was over")
    except NotABackup as broken:
        found = [broken.difference]
    except ChaoslabError as broken:
        return Looked((Difference("backup-place-unreadable", where_of(copy), str(broken), severity="unknown"),))
    placed = tuple(Difference(one.code, where_of(copy), one.message, one.expected, one.actual) for one in found)
    return Looked(placed, "read to its end")


def _plain(place: Place, copy: Copy) -> Looked:
    if PLAIN_END in place.read(copy.name, last=TRAILER_BYTES):
        return Looked(how="its last line")
    return _without_end(copy)


def _plain_gz(place: Place, copy: Copy, budget: Budget) -> Looked:
    inflate, tail = zlib.decompressobj(wbits=31), b""
    try:
        for chunk in place.chunks(copy.name):
            budget.check()
            while chunk:
                tail = (tail + inflate.decompress(chunk, 1 << 20))[-TRAILER_BYTES:]
                chunk = inflate.unconsumed_tail
                if inflate.eof and inflate.unused_data.startswith(b"\x1f\x8b"):  # several members, as pigz writes
                    chunk, inflate = inflate.unused_data, zlib.decompressobj(wbits=31)
    except zlib.error as broken:
        return Looked((Difference("backup-corrupt", where_of(copy), f"{copy.name} is damaged: {broken}"),), "read")
    if not inflate.eof:
        message = f"{copy.name} ends in the middle of its compressed data"
        return Looked((Difference("backup-truncated", where_of(copy), message),), "read to its end")
    return Looked(how="read to its end") if PLAIN_END in tail else _without_end(copy)


def _without_end(copy: Copy) -> Looked:
    message = f"{copy.name} lacks its last line, 'PostgreSQL database dump complete'"
    return Looked((Difference("backup-truncated", where_of(copy), message),), "read to its end")
