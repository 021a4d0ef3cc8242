"""Read the first bytes of a dump: what it is, of which database, and when it was begun. Pure.

A file's date is that of its last copy; the date inside an archive of pg_dump is that of the dump. It is local time of
the machine that made it, without a zone.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal

HEADER_BYTES = 8192
"""More than any header takes."""
TRAILER_BYTES = 4096
PLAIN_END = b"-- PostgreSQL database dump complete"

Form = Literal["archive", "plain", "plain.gz", "encrypted", "compressed", "empty", "unknown"]

_MAGIC = b"PGDMP"
_PLAIN = (b"-- PostgreSQL database dump", b"-- PostgreSQL database cluster dump")
_TAR_BLOCK = 512
_ENCRYPTED = (
    b"-----BEGIN PGP MESSAGE",
    b"age-encryption.org/",
    b"-----BEGIN AGE ENCRYPTED FILE",
    b"Salted__",
)
_COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xfd7zXZ\x00", b"BZh")
_PGP_PACKETS = {1, 3, 9, 18, 20}
"""Tags of OpenPGP packets that begin an encrypted message (RFC 9580): session keys, and encrypted data."""
_CONNECT = re.compile(rb'^\\connect (?:-reuse-previous=on )?"?(?:dbname=)?\'?(?P<name>[^"\'\r\n]+)', re.MULTILINE)
_STARTED = re.compile(rb"^-- Started on (?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a file say."""

    form: Form
    database: str = ""
    begun: datetime | None = None
    """Without a zone: local time of the machine that dumped."""


def read_header(begin: bytes) -> Header:
    """Return what the first bytes of a dump (or of the `toc.dat` of a folder) say."""
    if not begin:
        return Header("empty")
    if begin.startswith(_MAGIC):
        return _archive(begin)
    if begin[257:262] == b"ustar" and begin[_TAR_BLOCK:].startswith(_MAGIC):
        return _archive(begin[_TAR_BLOCK:])
    if begin.startswith(b"\x1f\x8b"):
        return _gzip(begin)
    if any(sign in begin[:512] for sign in _PLAIN):
        return _plain(begin, "plain")
    if begin.startswith(_ENCRYPTED) or _is_pgp(begin):
        return Header("encrypted")
    return Header("compressed" if begin.startswith(_COMPRESSED) else "unknown")


def instant_of(header: Header, zone: tzinfo) -> float | None:
    """Return when a dump was begun in seconds since 1970, if its header says so and the clock was in that zone."""
    return header.begun.replace(tzinfo=zone).timestamp() if header.begun else None


def earliest_and_latest(begun: datetime) -> tuple[float, float]:
    """Return the bounds of a local time of an unknown zone: they reach from UTC-12 to UTC+14."""
    as_utc = begun.replace(tzinfo=UTC).timestamp()
    return as_utc - 14 * 3600, as_utc + 12 * 3600


class _Bytes:
    """Reads the numbers and texts of an archive's header in turn."""

    def __init__(self, data: bytes, at: int, int_bytes: int) -> None:
        self._data, self._at, self._int_bytes = data, at, int_bytes

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        sign = self.byte()
        chunk = self._data[self._at : self._at + self._int_bytes]
        self._at += self._int_bytes
        return -int.from_bytes(chunk, "little") if sign else int.from_bytes(chunk, "little")

    def text(self) -> str:
        length = self.number()
        if not 0 <= length <= 1024:
            raise IndexError
        self._at += length
        return self._data[self._at - length : self._at].decode(errors="replace")


def _archive(data: bytes) -> Header:
    """Read the header that pg_dump's WriteHead writes."""
    try:
        version = (data[5], data[6])
        reader = _Bytes(data, 11, int_bytes=data[8])
        if version >= (1, 15):
            reader.byte()  # the algorithm of compression
        else:
            reader.number()
        second, minute, hour, day, month, year, _ = (reader.number() for _ in range(7))
        database = reader.text()
        return Header("archive", database, datetime(year + 1900, month + 1, day, hour, minute, min(second, 59)))  # noqa: DTZ001
    except (IndexError, ValueError):
        return Header("archive")


def _gzip(begin: bytes) -> Header:
    try:
        inside = zlib.decompressobj(wbits=31).decompress(begin, HEADER_BYTES)
    except zlib.error:
        return Header("unknown")
    if any(sign in inside[:512] for sign in _PLAIN):
        return _plain(inside, "plain.gz")
    nested = read_header(inside) if inside and not inside.startswith(b"\x1f\x8b") else Header("compressed")
    return nested if nested.form == "archive" else Header("compressed")


def _plain(text: bytes, form: Literal["plain", "plain.gz"]) -> Header:
    connect, started = _CONNECT.search(text), _STARTED.search(text)
    return Header(
        form,
        connect["name"].decode(errors="replace").strip() if connect else "",
        datetime.fromisoformat(started["at"].decode()) if started else None,
    )


def _is_pgp(begin: bytes) -> bool:
    """Say whether a binary file begins with a packet of an encrypted OpenPGP message."""
    first = begin[0]
    if not first & 0x80:
        return False
    tag = first & 0x3F if first & 0x40 else (first & 0x3C) >> 2
    if tag not in _PGP_PACKETS:
        return False
    # The version byte behind a short length tells a packet from chance: 3 or 6 for session keys, 1 or 2 for data.
    at = 2 if first & 0x40 else 1 + (1, 2, 4, 0)[first & 3]
    return len(begin) > at and begin[at] in (1, 2, 3, 4, 5, 6)
