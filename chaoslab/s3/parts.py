"""The parts in which a file is sent: where each begins, its digests, and a body that reads it without holding it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslab.s3.bucket import CHUNK

PARTS_MAX = 10_000
"""More parts no store takes; the parts of a very large file are larger."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file."""

    number: int
    """Counted from 1."""
    begin: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Digests:
    """Its checksums."""

    md5: bytes
    sha256: bytes


class Slice(io.RawIOBase):
    """A part of a file, read as if it were one: nothing is held in memory."""

    def __init__(self, path: Path, begin: int, size: int) -> None:
        """Open the file."""
        self._stream = path.open("rb", buffering=0)
        self._begin, self._size, self._at = begin, size, 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes: what has to be sent again is read again."""
        return True

    def tell(self) -> int:
        """Return the place in the part."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read on, at most to the end of the part."""
        wanted = min(len(buffer), max(0, self._size - self._at))
        self._stream.seek(self._begin + self._at)
        read = self._stream.readinto(memoryview(buffer)[:wanted])
        self._at += read
        return read

    def __len__(self) -> int:
        """Return the size of the part."""
        return self._size

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        super().close()


def parts_of(size: int, part_bytes: int) -> list[Part]:
    """Divide a file of some size into parts, of this size or larger if they would be too many."""
    least = -(-size // PARTS_MAX)
    step = max(part_bytes, -(-least // _MIB) * _MIB) if least > part_bytes else part_bytes
    return [Part(n + 1, begin, min(step, size - begin)) for n, begin in enumerate(range(0, size, step))]


def digests_of(path: Path, part: Part) -> Digests:
    """Read a part and return its checksums."""
    md5, sha256, left = hashlib.md5(usedforsecurity=False), hashlib.sha256(), part.bytes
    with path.open("rb") as stream:
        stream.seek(part.begin)
        while left and (chunk := stream.read(min(CHUNK, left))):
            md5.update(chunk)
            sha256.update(chunk)
            left -= len(chunk)
    return Digests(md5.digest(), sha256.digest())
