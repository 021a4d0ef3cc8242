"""PostgreSQL's 8 kB pages: their header, what lies in them, and their checksum, without a server.

`pg_checksums` reads a stopped data folder only. A base backup, or the files of a server that runs, need this.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PAGE_BYTES = 8192
HEADER_BYTES = 24
NORMAL = 1
"""The flag of a line pointer that has an item behind it."""

_LANES = 32
_PRIME = 16777619
# The server's own table of offsets (checksum_impl.h): one for each of the 32 sums that are computed side by side.
_OFFSETS = (
    *(0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C),
    *(0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB),
    *(0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4),
    *(0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756),
)
_COLUMNS = _LANES // 2
"""Two 32-bit sums live in each 64-bit column of a page."""
_WORDS = PAGE_BYTES // 8
_LOW_16 = 0xFFFF


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of a page."""

    lsn: int
    checksum: int
    lower: int
    """Where the line pointers end and the free space begins."""
    upper: int
    """Where the free space ends."""
    special: int
    """Where an index keeps what it needs in every page; the page's end in a table."""


@dataclass(frozen=True, slots=True)
class Item:
    """A tuple of a page."""

    number: int
    """Counted from 1, as in a ctid."""
    offset: int
    """Bytes from the page's beginning."""
    length: int


def header_of(page: bytes) -> Header:
    """Read the header of a page."""
    high, low, checksum, _, lower, upper, special = struct.unpack_from("=IIHHHHH", page)
    return Header(high << 32 | low, checksum, lower, upper, special)


def is_new(page: bytes) -> bool:
    """Say whether a page was never written: it then has no checksum."""
    return header_of(page).upper == 0


def items_of(page: bytes) -> Iterator[Item]:
    """Yield the tuples that line pointers of a page lead to."""
    header = header_of(page)
    if not HEADER_BYTES <= header.lower <= header.upper <= header.special <= PAGE_BYTES:
        return
    for number, begin in enumerate(range(HEADER_BYTES, header.lower, 4), start=1):
        (pointer,) = struct.unpack_from("=I", page, begin)
        offset, flags, length = pointer & 0x7FFF, pointer >> 15 & 3, pointer >> 17
        if flags == NORMAL and header.upper <= offset and offset + length <= header.special:
            yield Item(number, offset, length)


def page_checksums(pages: bytes, blocks: Sequence[int]) -> list[int]:
    """Compute the checksums of many pages at once, as the server does (FNV-1a, 32 sums side by side).

    Plain Python would need minutes for a gigabyte. So one long number holds the same sum of all pages, in 64 bits
    each, and every step is one operation for all of them: a product of 32 and 25 bits cannot spill over. 256 pages
    at a time are fastest.

    Args:
        pages: whole pages, written in the byte order of this machine (little-endian)
        blocks: the number of each in its relation, over all of its files: elsewhere it has another checksum
    """
    count = len(pages) // PAGE_BYTES
    words = array("Q", pages)
    words[1::_WORDS] = array("Q", [word & ~_LOW_16 for word in words[1::_WORDS]])  # the checksum's place counts as 0
    ones = int.from_bytes(struct.pack("=Q", 1) * count, "little")
    low_32, low_15, folded = 0xFFFFFFFF * ones, 0x7FFF * ones, 0
    for column in range(_COLUMNS):
        even, odd = _OFFSETS[2 * column] * ones, _OFFSETS[2 * column + 1] * ones
        for place in range(column, _WORDS, _COLUMNS):
            values = int.from_bytes(words[place::_WORDS].tobytes(), "little")
            mixed = even ^ values & low_32
            even = mixed * _PRIME & low_32 ^ mixed >> 17 & low_15
            mixed = odd ^ values >> 32 & low_32
            odd = mixed * _PRIME & low_32 ^ mixed >> 17 & low_15
        for _ in range(2):  # two rounds of zeros, so that the last values are mixed too
            even = even * _PRIME & low_32 ^ even >> 17 & low_15
            odd = odd * _PRIME & low_32 ^ odd >> 17 & low_15
        folded ^= even ^ odd
    sums = array("Q", folded.to_bytes(8 * count, "little"))
    return [(one ^ block) % 65535 + 1 for block, one in zip(blocks, sums, strict=True)]


def with_checksum(page: bytes, block: int) -> bytes:
    """Return a page with the checksum that it should have."""
    return page[:8] + struct.pack("=H", page_checksums(page, [block])[0]) + page[10:]


def broken_pages(pages: bytes, blocks: Sequence[int]) -> list[int]:
    """Return the places, counted from 0, of pages whose checksum is wrong.

    A page that was never written has none, and must be all zeros.
    """
    broken = []
    for place, computed in enumerate(page_checksums(pages, blocks)):
        begin = place * PAGE_BYTES
        if struct.unpack_from("=H", pages, begin + 8)[0] == computed:
            continue
        page = pages[begin : begin + PAGE_BYTES]
        if not is_new(page) or page.strip(b"\0"):
            broken.append(place)
    return broken
