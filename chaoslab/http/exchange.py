"""One request on a connection of its own, and the answer to it."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from chaoslab.core.stalls import TIMEOUT
from chaoslab.http.answer import Answer, NoHttp
from chaoslab.http.request import Request

_LINGER_S = 1.0
"""After the answer the server may close first, so that its side, not ours, keeps the port for a while."""


class Exchange(asyncio.Protocol):
    """Sends a request once connected; tells the status, or in a word what went wrong, exactly once."""

    def __init__(self, request: Request, *, timeout_s: float, on_end: Callable[[int, str], None]) -> None:
        """Begin at once, in the running loop.

        Args:
            request: what to send
            timeout_s: seconds from now in which the whole answer must be there
            on_end: told the status and '', or 0 and what went wrong
        """
        self._request = request
        self._answer = Answer(bodiless=request.bodiless)
        self._on_end: Callable[[int, str], None] | None = on_end
        self._transport: asyncio.Transport | None = None
        self._timeout = asyncio.get_running_loop().call_later(timeout_s, self._end, 0, TIMEOUT)
        self.task = asyncio.create_task(self._run())
        """Done when nothing of the connection is left."""
        self._closed = asyncio.Event()

    async def _run(self) -> None:
        loop, request = asyncio.get_running_loop(), self._request
        try:
            await loop.create_connection(lambda: self, request.host, request.port, ssl=request.tls)
            await self._closed.wait()
        except (OSError, ssl.SSLError) as error:
            self._end(0, word_of(error))
        except asyncio.CancelledError:
            if self._transport is not None:
                self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request.data)

    def data_received(self, data: bytes) -> None:
        """Read on until the answer is whole."""
        if self._on_end is None:
            return
        try:
            self._answer.feed(data)
        except NoHttp:
            self._end(0, "no HTTP")
            return
        if self._answer.complete:
            self._end(self._answer.status, "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Judge an answer that the end of the connection has completed, or cut off."""
        self._closed.set()
        if exc is None:
            self._answer.end()
        if self._answer.complete:
            self._end(self._answer.status, "")
        else:
            self._end(0, word_of(exc) if exc else "cut off" if self._answer.status else "closed")

    def _end(self, status: int, error: str) -> None:
        """Tell how it ended; the first end counts."""
        tell, self._on_end = self._on_end, None
        if tell is None:
            return
        self._timeout.cancel()
        if error:
            self.task.cancel()
        elif self._transport is not None and not self._transport.is_closing():
            asyncio.get_running_loop().call_later(_LINGER_S, self._transport.close)
        tell(status, error)


def word_of(error: BaseException) -> str:
    """Return what went wrong in a word or two that many samples can share."""
    match error:
        case ConnectionRefusedError():
            return "refused"
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "reset"
        case TimeoutError():
            return TIMEOUT
        case socket.gaierror():
            return "no such host"
        case ssl.SSLError():
            return "tls: " + (error.reason or "failed").lower().replace("_", " ")
        case OSError():
            return (error.strerror or type(error).__name__).lower()
        case _:
            return type(error).__name__
