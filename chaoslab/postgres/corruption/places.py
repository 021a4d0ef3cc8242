"""Where to flip bytes so that it means something: in a tuple, in an index entry, in a WAL record. Reads files only."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.corruption.pages import (
    PAGE_BYTES,
    Item,
    header_of,
    items_of,
    with_checksum,
)

FLIPPED_BYTES = 8
_MASK = 0x55
_WAL_HEADER_BYTES = 40
"""The longest header of a WAL page; that of a segment's first page."""
_XMAX_INVALID = 0x0800
_INDEX_TUPLE_HEADER_BYTES = 8
_LEAF = 1
_ROOM_FOR_A_TEST = 64


class NoPlace(ChaoslabError):
    """There is nothing to flip: no row, no entry, no record."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes of a file, as they are and as they are to become."""

    offset: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """What will be flipped."""

    file: Path
    patches: tuple[Patch, ...]
    what: str
    """For people: `the row (12,7)`."""
    in_use: bool = True
    """False where nothing reads those bytes, so that flipping them harms nobody."""


def heap_place(file: Path, *, silent: bool = False, free: bool = False, checksums: bool = True) -> Place:
    """Choose a row near the middle of a table's file.

    Args:
        file: the table's first file; no server may be writing to that table
        silent: flip one bit of the row's last byte and put the page's checksum right: no checksum can see it
        free: choose bytes between the line pointers and the rows instead
        checksums: whether pages have checksums; they cover free space too

    Raises:
        NoPlace: the file holds no row.
    """
    for block, page in _from_the_middle(file):
        if free:
            header = header_of(page)
            if header.upper - header.lower >= _ROOM_FOR_A_TEST:
                patch = _flipped(page, header.lower + 16, FLIPPED_BYTES)
                return _in_page(file, block, [patch], f"free space of block {block}", in_use=checksums)
            continue
        for item in items_of(page):
            begin = item.offset + page[item.offset + 22]
            if not _lives(page, item) or begin >= item.offset + item.length:
                continue
            name = f"row ({block},{item.number})"
            if silent:
                return _in_page(file, block, _silently(page, block, item), f"{name}, checksum put right")
            count = min(FLIPPED_BYTES, item.offset + item.length - begin)
            return _in_page(file, block, [_flipped(page, item.offset + item.length - count, count)], name)
    raise NoPlace(f"{file.name} holds no {'free space' if free else 'row'} to flip; name another table with `relation`")


def index_place(file: Path, *, free: bool = False, checksums: bool = True) -> Place:
    """Choose an entry near the middle of a B-tree's file.

    Args:
        file: the index's first file; no server may be writing to it
        free: choose bytes of a page's free space instead
        checksums: whether pages have checksums; they cover free space too

    Raises:
        NoPlace: the file holds no entry.
    """
    for block, page in _from_the_middle(file):
        header = header_of(page)
        if header.special > PAGE_BYTES - 16:
            continue
        _, following, level, flags = struct.unpack_from("=IIIH", page, header.special)
        if level != 0 or not flags & _LEAF:
            continue
        if free:
            if header.upper - header.lower >= _ROOM_FOR_A_TEST:
                patch = _flipped(page, header.lower + 16, FLIPPED_BYTES)
                return _in_page(file, block, [patch], f"free space of block {block}", in_use=checksums)
            continue
        # Unless it is the last one, a page begins with a copy of the next one's lowest key.
        entries = list(items_of(page))[1 if following else 0 :]
        if entries:
            entry = entries[len(entries) // 2]
            patch = _flipped(page, entry.offset + _INDEX_TUPLE_HEADER_BYTES, 4)
            return _in_page(file, block, [patch], f"entry ({block},{entry.number})")
    raise NoPlace(f"{file.name} holds no entry to flip; name another index with `relation`")


def wal_place(segment: Path, *, free: bool = False) -> Place:
    """Choose a record near the middle of the used part of a WAL segment.

    Records are padded to 8 bytes with zeros that no checksum covers, so more bytes than that are flipped.

    Args:
        segment: a file as it is archived, not compressed
        free: choose the zeros behind the last record instead

    Raises:
        NoPlace: it holds no records, or no zeros.
    """
    content = segment.read_bytes()
    used = len(content.rstrip(b"\0"))
    # Pages of an unused rest have a header too, so the used part ends where pages become header and zeros.
    while used > PAGE_BYTES and not content[(used - 1) // PAGE_BYTES * PAGE_BYTES + _WAL_HEADER_BYTES : used].strip(
        b"\0"
    ):
        used = (used - 1) // PAGE_BYTES * PAGE_BYTES
    if free:
        if len(content) - used < 2 * PAGE_BYTES:
            raise NoPlace(f"{segment.name} is full: it has no free space")
        begin, what = len(content) - PAGE_BYTES // 2, "the zeros behind the last record"
    else:
        begin, what = used // 2, "a record"
        if begin % PAGE_BYTES < _WAL_HEADER_BYTES:
            begin += _WAL_HEADER_BYTES
        if used < 2 * _WAL_HEADER_BYTES + 2 * FLIPPED_BYTES:
            raise NoPlace(f"{segment.name} holds no record")
    patch = _flipped(content, begin, 2 * FLIPPED_BYTES)
    return Place(segment, (patch,), f"{what} at byte {begin}", in_use=not free)


def file_place(file: Path) -> Place:
    """Choose the middle of any file.

    Raises:
        NoPlace: it is empty.
    """
    size = file.stat().st_size
    if size == 0:
        raise NoPlace(f"{file} is empty")
    begin = size // 2
    with file.open("rb") as stream:
        stream.seek(begin)
        found = stream.read(FLIPPED_BYTES)
    return Place(file, (Patch(begin, found, bytes(byte ^ _MASK for byte in found)),), f"byte {begin}")


def _from_the_middle(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the pages of a file with their numbers, beginning in the middle."""
    count = file.stat().st_size // PAGE_BYTES
    with file.open("rb") as stream:
        for block in (*range(count // 2, count), *range(count // 2)):
            stream.seek(block * PAGE_BYTES)
            yield block, stream.read(PAGE_BYTES)


def _lives(page: bytes, item: Item) -> bool:
    """Say whether nobody has deleted or updated a row."""
    (infomask,) = struct.unpack_from("=H", page, item.offset + 20)
    return bool(infomask & _XMAX_INVALID)


def _flipped(
    content: bytes, offset: int, count: int, change: Callable[[int], int] = lambda byte: byte ^ _MASK
) -> Patch:
    before = content[offset : offset + count]
    return Patch(offset, before, bytes(change(byte) for byte in before))


def _silently(page: bytes, block: int, item: Item) -> list[Patch]:
    """Flip the lowest bit of a row's last byte, and note the checksum that the page has then."""
    patch = _flipped(page, item.offset + item.length - 1, 1, lambda byte: byte ^ 1)
    changed = page[: patch.offset] + patch.after + page[patch.offset + 1 :]
    return [patch, Patch(8, page[8:10], with_checksum(changed, block)[8:10])]


def _in_page(file: Path, block: int, patches: list[Patch], what: str, *, in_use: bool = True) -> Place:
    moved = (Patch(block * PAGE_BYTES + one.offset, one.before, one.after) for one in patches)
    return Place(file, tuple(moved), what, in_use)
