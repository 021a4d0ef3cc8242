"""The control socket of a proxy: a little HTTP over a Unix socket that its owner alone may open.

GET /                what the proxy does
GET /toxics          the toxics that stand, by name
PUT /toxics/NAME     {"kind": "latency", "latency_s": 0.2, "ttl_s": 60}
DELETE /toxics/NAME  204, also when there was none

curl --unix-socket DIR/proxy.sock http://proxy/toxics
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from chaoslab.runtime.identity import myself

REQUEST_S = 5.0
BODY_MAX_BYTES = 64 * 1024
Answer = tuple[HTTPStatus, Any]


class Controlled(Protocol):
    """What the control socket needs of a proxy."""

    def state(self) -> dict[str, Any]:
        """Return what the proxy does; its `toxics` by their names."""
        ...

    def put(self, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Add a toxic, or replace the one of this name, and return it as it was understood.

        Raises:
            ValueError: there is no such toxic; says what would be right.
        """
        ...

    def remove(self, name: str) -> bool:
        """Remove a toxic, and return whether it stood."""
        ...


class Control:
    """Answers requests about one proxy."""

    def __init__(self, proxy: Controlled) -> None:
        """Take the proxy to control."""
        self._proxy = proxy

    async def listen(self, path: Path) -> asyncio.Server:
        """Open the socket, in the place of one that a killed predecessor left behind.

        Raises:
            OSError: its folder is not there, or another proxy takes orders at it: its toxics could not be taken away.
        """
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        # Through /proc the path is short, however deep the folder lies: the kernel allows 107 bytes.
        short = f"/proc/self/fd/{folder}/{path.name}"
        with socket.socket(socket.AF_UNIX) as asker:
            asker.settimeout(REQUEST_S)
            if asker.connect_ex(short) == 0:
                raise FileExistsError(errno.EEXIST, "another proxy takes orders here", str(path))
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
            self._proxy.remove(unquote(name))
            return HTTPStatus.NO_CONTENT, None
        try:
            return HTTPStatus.OK, self._proxy.put(unquote(name), json.loads(body))
        except (ValueError, TypeError) as wrong:
            return HTTPStatus.BAD_REQUEST, {"error": str(wrong)}


async def serve_controlled(proxy: Controlled, control: Path, state: Path | None) -> None:
    """Take orders for a proxy that has begun to serve, until a signal asks it to end.

    Args:
        proxy: what is controlled
        control: the path of its control socket
        state: a file that tells where it listens, written once it takes orders
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    server = await Control(proxy).listen(control)
    sys.stderr.write(
        "listening on {listen} for {upstream}".format_map(proxy.state()) + f", taking orders at {control}\n"
    )
    if state is not None:
        told = {**asdict(myself()), **proxy.state(), "control": str(control)}
        new = state.with_name(state.name + ".new")
        new.write_text(json.dumps(told))
        new.replace(state)
    async with server:
        await ending.wait()
    with contextlib.suppress(FileNotFoundError):
        control.unlink()


def play(run: Callable[[ProxyArguments], Coroutine[Any, Any, None]], given: ProxyArguments) -> None:
    """Run a proxy; what keeps it from serving is told in one line, with status 2.

    Raises:
        SystemExit: it cannot listen.
    """
    try:
        asyncio.run(run(given))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and not error.filename else error.strerror or error
        listen = "{}:{}".format(*given.listen)
        where = f"at {error.filename}" if error.filename else f"on {listen}"
        sys.stderr.write(f"proxy: cannot listen {where}: {why}\n")
        raise SystemExit(2) from None


@dataclass(frozen=True, slots=True)
class ProxyArguments:
    """What every proxy is told on its command line."""

    listen: tuple[str, int]
    upstream: tuple[str, int]
    control: Path
    state: Path | None


def arguments_of(module: str, about: str, arguments: Sequence[str] | None) -> ProxyArguments:
    """Read the command line of a proxy.

    Args:
        module: which is run
        about: its docstring, whose first line is shown
        arguments: the words; None means those of this process
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about.split("\n")[0])
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--upstream", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--control", type=Path, required=True, metavar="PATH", help="the Unix socket that takes orders")
    parser.add_argument("--state", type=Path, metavar="FILE", help="say here, in JSON, where it listens")
    given = parser.parse_args(arguments)
    return ProxyArguments(given.listen, given.upstream, given.control.absolute(), given.state)


def _address(text: str) -> tuple[str, int]:
    """Read `127.0.0.1:5432`.

    Raises:
        ArgumentTypeError: it is not of this form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


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
