"""Checksums of PostgreSQL's backup manifests: CRC32C, which Python lacks, and SHA-2, which it has.

One byte after the other, Python reaches 10 MB/s. So a block is cut into lanes of equal length that are worked on side
by side: the state of all lanes is four rows of bytes, and a step is four table look-ups over whole rows. In the end
the lanes' checksums are joined: appending a lane multiplies what came before by a matrix over GF(2).
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Protocol

POLYNOMIAL = 0x82F63B78
LANE_BYTES = (512, 64)
"""Long lanes for much data, short ones for a file of a few pages; what is left over goes byte by byte."""
LANES_MAX = 2048
LANES_MIN = 64
ALGORITHMS = ("NONE", "CRC32C", "SHA224", "SHA256", "SHA384", "SHA512")


class Digest(Protocol):
    """A checksum that grows with its data."""

    def update(self, data: bytes, /) -> None:
        """Take more data."""

    def hexdigest(self) -> str:
        """Return it as the manifest writes it."""


class Crc32c:
    """The CRC32C of a stream."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._state = 0xFFFFFFFF

    def update(self, data: bytes, /) -> None:
        """Take more data."""
        view = memoryview(data)
        for length in LANE_BYTES:
            while len(view) >= (LANES_MAX if length == LANE_BYTES[0] else LANES_MIN) * length:
                size = min(len(view) // length, LANES_MAX) * length
                self._state = _block(self._state, bytes(view[:size]), length)
                view = view[size:]
        table, state = _table(), self._state
        for byte in view:
            state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
        self._state = state

    def hexdigest(self) -> str:
        """Return it as the manifest writes it: the least byte first."""
        return (self._state ^ 0xFFFFFFFF).to_bytes(4, "little").hex()


def digest(algorithm: str) -> Digest:
    """Return an empty checksum of one of `ALGORITHMS`, except `NONE`.

    Raises:
        ValueError: nobody knows this algorithm.
    """
    if algorithm not in ALGORITHMS or algorithm == "NONE":
        raise ValueError(f"no checksum is called {algorithm}")
    return Crc32c() if algorithm == "CRC32C" else hashlib.new(algorithm.lower())


@cache
def _table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
        return value

    return tuple(map(entry, range(256)))


@cache
def _rows() -> tuple[bytes, ...]:
    """Return the table as four tables of one byte each, the least first."""
    return tuple(bytes(entry >> shift & 0xFF for entry in _table()) for shift in (0, 8, 16, 24))


@cache
def _appending(length: int) -> tuple[tuple[int, ...], ...]:
    """Return what a state becomes when `length` zero bytes follow it, as four tables by byte of the state."""

    def after(state: int) -> int:
        table = _table()
        for _ in range(length):
            state = table[state & 0xFF] ^ (state >> 8)
        return state

    bits = [after(1 << bit) for bit in range(32)]

    def entry(place: int, byte: int) -> int:
        joined = 0
        for bit in range(8):
            joined ^= bits[8 * place + bit] if byte >> bit & 1 else 0
        return joined

    return tuple(tuple(entry(place, byte) for byte in range(256)) for place in range(4))


def _block(state: int, data: bytes, length: int) -> int:
    """Return the state after some lanes of `length` bytes each."""
    low, second, third, high = _lanes(data, length)
    one, two, three, four = _appending(length)
    for a, b, c, d in zip(low, second, third, high, strict=True):
        state = one[state & 0xFF] ^ two[state >> 8 & 0xFF] ^ three[state >> 16 & 0xFF] ^ four[state >> 24]
        state ^= a | b << 8 | c << 16 | d << 24
    return state


def _lanes(data: bytes, length: int) -> tuple[bytes, bytes, bytes, bytes]:
    """Return the states of all lanes, each begun with 0, as rows of their first, second, third and fourth bytes.

    The four rows are one long number, since turning bytes into numbers is what takes the time.
    """
    lanes = len(data) // length
    tables, row_bits, mask = _rows(), 8 * lanes, (1 << 8 * lanes) - 1
    state = 0
    for column in range(length):
        mixed = (state & mask) ^ int.from_bytes(data[column::length], "little")
        index = mixed.to_bytes(lanes, "little")
        looked_up = b"".join([index.translate(table) for table in tables])
        state = (state >> row_bits) ^ int.from_bytes(looked_up, "little")
    rows = state.to_bytes(4 * lanes, "little")
    return rows[:lanes], rows[lanes : 2 * lanes], rows[2 * lanes : 3 * lanes], rows[3 * lanes :]
