"""The proxy's control socket: a little HTTP over a Unix socket that its owner alone may open.

GET /                what the proxy does
GET /toxics          the toxics that stand, by name
PUT /toxics/NAME     {"kind": "latency", "latency_s": 0.2, "ttl_s": 60}
DELETE /toxics/NAME  204, also when there was none

curl --unix-socket DIR/proxy.sock http://proxy/toxics
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from chaoslab.network.conditions import Conditions
from chaoslab.network.toxics import parse

REQUEST_S = 5.0
BODY_MAX_BYTES = 64 * 1024
Answer = tuple[HTTPStatus, Any]


class Controlled(Protocol):
    """What the control socket needs of a proxy."""

    conditions: Conditions

    def state(self) -> dict[str, Any]:
        """Return what the proxy does."""
        ...


class Control:
    """Answers requests about one proxy."""

    def __init__(self, proxy: Controlled) -> None:
        """Take the proxy to control."""
        self._proxy = proxy

    async def listen(self, path: Path) -> asyncio.Server:
        """Open the socket, in the place of one that a killed predecessor left behind."""
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        # Through /proc the path is short, however deep the folder lies: the kernel allows 107 bytes.
        short = f"/proc/self/fd/{folder}/{path.name}"
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self._serve, short)
        finally:
            os.umask(before)
            # The folder stays open: asyncio looks at the short path again when it closes the server.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                method, target, body = await _request(reader)
                status, content = self._answer(method, target, body)
                writer.write(_response(status, content))
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass  # whoever asked so badly, or left, gets no answer
        finally:
            writer.close()

    def _answer(self, method: str, target: str, body: bytes) -> Answer:
        if method == "GET" and target == "/":
            return HTTPStatus.OK, self._proxy.state()
        if method == "GET" and target == "/toxics":
            return HTTPStatus.OK, self._proxy.state()["toxics"]
        prefix, _, name = target.rpartition("/")
        if prefix != "/toxics" or not name or method not in {"PUT", "DELETE"}:
            return HTTPStatus.NOT_FOUND, {"error": f"no such thing: {method} {target}"}
        if method == "DELETE":
            self._proxy.conditions.remove(unquote(name))
            return HTTPStatus.NO_CONTENT, None
        try:
            toxic = parse(unquote(name), json.loads(body))
        except (ValueError, TypeError) as wrong:
            return HTTPStatus.BAD_REQUEST, {"error": str(wrong)}
        self._proxy.conditions.put(toxic)
        return HTTPStatus.OK, toxic.as_data()


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    fields = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:])}
    length = int(fields.get("content-length", "0"))
    if length > BODY_MAX_BYTES:
        raise ValueError("too long")
    return method, target, await reader.readexactly(length)


def _response(status: HTTPStatus, content: Any) -> bytes:
    body = b"" if content is None else json.dumps(content).encode()
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    if status is not HTTPStatus.NO_CONTENT:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
