"""What the first page of a WAL segment says about its server."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from chaoslab.postgres.physical.copying import PACKERS, opened
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.physical.wal import is_segment_size, parse_segment

_LONG_HEADER = struct.Struct("<HHIQI4xQII")
_IS_LONG = 0x0002
_MAJOR_OF = {0xD106: 13, 0xD10D: 14, 0xD110: 15, 0xD113: 16, 0xD116: 17, 0xD118: 18}
"""The page magic of each major version, as its xlog_internal.h has it."""
_ENDS = ("", ".gz", *PACKERS)


@dataclass(frozen=True, slots=True)
class WalHeader:
    """The long header at the beginning of a segment."""

    timeline: int
    lsn: int
    """Where the segment says that it begins."""
    system_identifier: str
    segment_bytes: int
    major: int
    """0 for a version that is not known here."""


def parse(page: bytes) -> WalHeader | None:
    """Return what the beginning of a segment says; None when it is none."""
    if len(page) < _LONG_HEADER.size:
        return None
    magic, info, timeline, lsn, _, system, segment_bytes, _ = _LONG_HEADER.unpack_from(page)
    if not info & _IS_LONG or not is_segment_size(segment_bytes):
        return None
    return WalHeader(timeline, lsn, str(system), segment_bytes, _MAJOR_OF.get(magic, 0))


def read(path: Path) -> WalHeader | None:
    """Return the header of a segment's file, packed or not; None when it cannot be read or is none."""
    try:
        with opened(path) as stream:
            return parse(stream.read(_LONG_HEADER.size))
    except (OSError, EOFError, RepositoryFailed):
        return None


def first_in(archive: Path) -> WalHeader | None:
    """Return the header of the first segment of a folder that has one."""
    try:
        names = sorted(path.name for path in archive.iterdir())
    except OSError:
        return None
    for name in names:
        stem = next((name.removesuffix(end) for end in _ENDS[1:] if name.endswith(end)), name)
        if parse_segment(stem, 2**20) is not None and (header := read(archive / name)) is not None:
            return header
    return None
