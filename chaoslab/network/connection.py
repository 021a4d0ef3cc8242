"""One connection through the proxy: two streams, each of which may be delayed, held, throttled or reset.

    client -> read -> queue -> (passage, share) -> write -> server      upstream
    client <- write <- (passage, share) <- queue <- read <- server      downstream

Reading and writing are tasks of their own, so that latency delays a stream without narrowing it. The queue is
bounded: a reader that is too fast waits, and so does its sender, as TCP has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass

from chaoslab.network.conditions import Conditions
from chaoslab.network.lots import Lots
from chaoslab.network.toxics import Direction

CHUNK_BYTES = 64 * 1024
QUEUE_CHUNKS = 64
"""With CHUNK_BYTES, four megabytes at most wait in each direction of a connection."""
LINGER_RESET = struct.pack("ii", 1, 0)
"""Closing with a linger time of zero sends RST instead of FIN."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that came in: bytes, or the end of the stream, or its breaking off."""

    data: bytes
    arrived_at: float
    chance: float
    broken: bool = False


class Connection:
    """One client and, once it may be reached, its server."""

    def __init__(
        self, conditions: Conditions, *, upstream: tuple[str, int], connect_s: float, chance: random.Random
    ) -> None:
        """Prepare a connection.

        Args:
            conditions: what is wrong with the network
            upstream: host and port of the server
            connect_s: seconds that connecting to it may take
            chance: where jitter and lots come from
        """
        self._conditions = conditions
        self._upstream = upstream
        self._connect_s = connect_s
        self._chance = chance
        self.lots = Lots(chance)
        self._writers: list[asyncio.StreamWriter] = []
        self._client_left = False
        self.carried_bytes: dict[Direction, int] = {"upstream": 0, "downstream": 0}

    async def serve(self, sock: socket.socket) -> None:
        """Carry everything between the accepted socket and the server until both have ended."""
        ended_well = False
        try:
            async with asyncio.TaskGroup() as group:
                await self._begin(sock, group)
            ended_well = True
        except* OSError:
            pass  # a side broke off: the other one shall see it the same way
        finally:
            if not ended_well:
                self.reset()
            await self._close()
            sock.close()

    def reset(self) -> None:
        """End both sides with RST at once."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            writer.transport.abort()

    async def _begin(self, sock: socket.socket, group: asyncio.TaskGroup) -> None:
        """Set up the two streams; the client is read from the start, so that we know when it has given up."""
        client_reader, client_writer = await asyncio.open_connection(sock=sock, limit=CHUNK_BYTES)
        self._writers.append(client_writer)
        forth: asyncio.Queue[Piece] = asyncio.Queue(QUEUE_CHUNKS)
        back: asyncio.Queue[Piece] = asyncio.Queue(QUEUE_CHUNKS)
        group.create_task(self._read(client_reader, forth, from_client=True))
        await self._conditions.passage("upstream", asyncio.get_running_loop().time(), 0.0, self.lots)
        if self._client_left:
            raise ConnectionAbortedError("the client gave up before the server could be reached")
        server_reader, server_writer = await self._connect()
        group.create_task(self._write(server_writer, forth, "upstream"))
        group.create_task(self._read(server_reader, back))
        group.create_task(self._write(client_writer, back, "downstream"))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._upstream
        async with asyncio.timeout(self._connect_s):
            reader, writer = await asyncio.open_connection(host, port, limit=CHUNK_BYTES)
        self._writers.append(writer)
        return reader, writer

    async def _read(
        self, reader: asyncio.StreamReader, queue: asyncio.Queue[Piece], *, from_client: bool = False
    ) -> None:
        """Stamp everything that comes in, to its end."""
        loop = asyncio.get_running_loop()
        while True:
            broken = False
            try:
                data = await reader.read(CHUNK_BYTES)
            except OSError:
                data, broken = b"", True
            if not data and from_client:
                self._client_left = True
            await queue.put(Piece(data, loop.time(), self._chance.uniform(-1.0, 1.0), broken))
            if not data:
                return

    async def _write(self, writer: asyncio.StreamWriter, queue: asyncio.Queue[Piece], direction: Direction) -> None:
        """Pass on what was read, when and as fast as the conditions allow; an end travels like data."""
        while True:
            piece = await queue.get()
            await self._conditions.passage(direction, piece.arrived_at, piece.chance, self.lots)
            if piece.broken:
                raise ConnectionResetError("the other side broke off")
            if not piece.data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            await self._send(writer, piece, direction)

    async def _send(self, writer: asyncio.StreamWriter, piece: Piece, direction: Direction) -> None:
        begin = 0
        while begin < len(piece.data):
            end = begin + await self._conditions.share(direction, len(piece.data) - begin, self.lots)
            # A blackhole may have opened while we waited for our share.
            await self._conditions.passage(direction, piece.arrived_at, piece.chance, self.lots)
            writer.write(piece.data[begin:end])
            await writer.drain()
            self.carried_bytes[direction] += end - begin
            begin = end

    async def _close(self) -> None:
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
