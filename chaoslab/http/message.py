"""Requests and answers of HTTP/1 on their way through the proxy: heads are read, bodies are carried as they are."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

HEAD_MAX_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024
_WITHOUT_BODY = (204, 304)


class BadMessage(Exception):
    """What came is no message of HTTP/1, or broke off in the midst of one."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the fields of a message."""

    raw: bytes
    words: tuple[str, str, str]
    """Of a request: method, target, version. Of an answer: version, status, phrase."""
    fields: dict[str, str] = field(repr=False)
    """By their names in small letters; may hold secrets."""

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.words[1])

    def closes(self) -> bool:
        """Say whether the connection ends after this message."""
        version = self.words[2] if self.words[2].startswith("HTTP/") else self.words[0]
        wish = self.fields.get("connection", "").lower()
        return "close" in wish or (version == "HTTP/1.0" and "keep-alive" not in wish)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read the head of the next message; None when the connection ended before one began.

    Raises:
        BadMessage: it is no head.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if not end.partial:
            return None
        raise BadMessage("it broke off in the midst of a head") from end
    except asyncio.LimitOverrunError as long:
        raise BadMessage("its head is too long") from long
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    words = [*first.split(" ", 2), "", ""][:3]
    if not (words[0].startswith("HTTP/1.") and words[1].isdigit()) and not words[2].startswith("HTTP/1."):
        raise BadMessage(f"{first[:40]!r} begins no message of HTTP/1")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Head(raw, (words[0], words[1], words[2]), fields)


async def pass_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, length: int | None) -> None:
    """Carry a body from one side to the other, or to nowhere.

    Args:
        reader: where it comes from
        writer: where it goes to
        length: in bytes; -1 for one in chunks, None for one that ends with the connection

    Raises:
        BadMessage: it broke off.
    """
    try:
        if length == -1:
            await _pass_chunks(reader, writer)
            return
        left = length
        while left is None or left > 0:
            data = await reader.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
            if not data:
                break
            await _send(writer, data)
            left = None if left is None else left - len(data)
        if left:
            raise BadMessage("its body broke off")
    except asyncio.IncompleteReadError as end:
        raise BadMessage("its body broke off") from end


def length_of_request(head: Head) -> int:
    """Return the bytes of its body, -1 when they come in chunks.

    Raises:
        BadMessage: its length is none.
    """
    if "chunked" in head.fields.get("transfer-encoding", "").lower():
        return -1
    return _length(head, 0) or 0


def length_of_answer(head: Head, method: str) -> int | None:
    """Return the bytes of its body, -1 when they come in chunks, None when it ends with the connection.

    Raises:
        BadMessage: its length is none.
    """
    if method == "HEAD" or head.status in _WITHOUT_BODY:
        return 0
    if "chunked" in head.fields.get("transfer-encoding", "").lower():
        return -1
    return _length(head, None)


def _length(head: Head, default: int | None) -> int | None:
    text = head.fields.get("content-length")
    if text is None:
        return default
    if not text.isdigit():
        raise BadMessage(f"its length is {text[:20]!r}")
    return int(text)


async def _pass_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None) -> None:
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line.split(b";")[0].strip(), 16)
        except ValueError as error:
            raise BadMessage("a chunk has no size") from error
        await _send(writer, line)
        if size == 0:
            break
        await pass_body(reader, writer, size + 2)
    while True:  # the trailer: fields up to an empty line
        line = await reader.readuntil(b"\r\n")
        await _send(writer, line)
        if line == b"\r\n":
            return


async def _send(writer: asyncio.StreamWriter | None, data: bytes) -> None:
    if writer is not None:
        writer.write(data)
        await writer.drain()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a side, which may be gone."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
