"""One client of the HTTP proxy: its requests, one after the other, each as the rules of its moment will have it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

from chaoslab.http.message import (
    CHUNK_BYTES,
    HEAD_MAX_BYTES,
    BadMessage,
    Head,
    hang_up,
    length_of_answer,
    length_of_request,
    pass_body,
    read_head,
)
from chaoslab.http.rules import Rule, Rules

LINGER_RESET = struct.pack("ii", 1, 0)
"""Closing with a linger time of zero sends RST instead of FIN."""
_INFORMATIONAL, _SWITCHING = range(100, 200), 101
_LOOK_S = 0.1
"""How often to look whether a client that waits is still there."""


class Broken(Exception):
    """The connection is to end with RST."""


class Carrier:
    """Carries the requests of one client to the server, and the answers back."""

    def __init__(self, rules: Rules, *, upstream: tuple[str, int], connect_s: float) -> None:
        """Prepare; the server is not asked before there is a request for it.

        Args:
            rules: what goes wrong
            upstream: host and port of the server
            connect_s: seconds that connecting to it may take
        """
        self._rules = rules
        self._upstream = upstream
        self._connect_s = connect_s
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry everything until one side has ended."""
        try:
            while await self._one(reader, writer):
                pass
        except (Broken, BadMessage, OSError):
            reset(writer)
        finally:
            for side in [writer] + ([self._server[1]] if self._server else []):
                await hang_up(side)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Carry the next request and its answer; return whether there may be another."""
        head = await self._next_head(reader)
        if head is None:
            return False
        self.requests += 1
        status = 0
        for rule in self._rules.chosen(head.words[0], head.words[1]):
            match rule.kind:
                case "delay":
                    await _unless_left(reader, self._rules.hold(rule))
                case "abort":
                    self._rules.meet(rule)
                    raise Broken
                case "fail":
                    status = status or self._failing(rule)
        if status:
            return await _refuse(reader, writer, head, status)
        return await _unless_left(reader, self._carry(head, reader, writer))

    def _failing(self, rule: Rule) -> int:
        self._rules.meet(rule)
        return int(rule.parameters["status"])

    async def _next_head(self, reader: asyncio.StreamReader) -> Head | None:
        """Wait for a request; a server that hangs up meanwhile is told to the client, as if we were not there."""
        wanted = asyncio.ensure_future(read_head(reader))
        if self._server is None:
            return await wanted
        ended = asyncio.ensure_future(self._server[0].read(1))
        try:
            await asyncio.wait((wanted, ended), return_when=asyncio.FIRST_COMPLETED)
            return await wanted if wanted.done() else None
        finally:
            for task in (wanted, ended):
                task.cancel()
            await asyncio.wait((wanted, ended))
            for task in (wanted, ended):
                if not task.cancelled():
                    task.exception()  # taken note of: the connection ends anyway

    async def _carry(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Let a request through, and its answer back."""
        server_reader, server_writer = await self._connected()
        server_writer.write(head.raw)
        body = asyncio.ensure_future(pass_body(reader, server_writer, length_of_request(head)))
        answering = asyncio.ensure_future(self._answer(server_reader, writer))
        try:
            await asyncio.wait((body, answering), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() and isinstance(body.exception(), BadMessage):
                raise Broken  # the client broke off, and the server would wait for the rest
            answer = await answering
            if answer.status == _SWITCHING:
                await _tunnel((reader, server_writer), (server_reader, writer))
                return False
            length = length_of_answer(answer, head.words[0])
            await pass_body(server_reader, writer, length)
            # An answer that came before the body was through is the last one of the connection.
            return body.done() and length is not None and not head.closes() and not answer.closes()
        finally:
            for task in (body, answering):
                task.cancel()
            await asyncio.gather(body, answering, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Head:
        """Pass on the head of the answer, and those that only inform before it."""
        while True:
            answer = await read_head(reader)
            if answer is None:
                raise Broken
            writer.write(answer.raw)
            await writer.drain()
            if answer.status not in _INFORMATIONAL or answer.status == _SWITCHING:
                return answer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._server is None:
            host, port = self._upstream
            async with asyncio.timeout(self._connect_s):
                self._server = await asyncio.open_connection(host, port, limit=HEAD_MAX_BYTES)
        return self._server


def reset(writer: asyncio.StreamWriter) -> None:
    """End a side with RST at once."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    writer.transport.abort()


async def _unless_left[T](reader: asyncio.StreamReader, work: Coroutine[Any, Any, T]) -> T:
    """Do something for a client, as long as it is there.

    Raises:
        Broken: it hung up.
    """

    async def leaves() -> None:
        while not reader.at_eof():
            await asyncio.sleep(_LOOK_S)

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(leaves())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Broken
        return await working
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: Head, status: int) -> bool:
    """Answer in the server's place."""
    if "expect" not in head.fields:
        await pass_body(reader, None, length_of_request(head))
    phrase = HTTPStatus(status).phrase if status in HTTPStatus else "Failed"
    body = b"" if head.words[0] == "HEAD" else b"failed on purpose\n"
    closes = head.closes() or "expect" in head.fields
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        f"Connection: {'close' if closes else 'keep-alive'}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    return not closes


async def _tunnel(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Carry bytes both ways after a switch of protocols, until one side ends."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()

    tasks = [asyncio.ensure_future(carry(*way)) for way in ways]
    _, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
