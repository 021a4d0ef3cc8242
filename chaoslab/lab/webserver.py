"""The HTTP server under the lab's services: a thread for each client, no more of them than it can bear."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REQUESTS_MAX = 256
IDLE_CLIENT_S = 30.0
BODY_MAX_BYTES = 64 * 1024
UNAVAILABLE_RAW = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class WebServer(ThreadingHTTPServer):
    """Serves each connection in a thread of its own, up to a number."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], *, requests_max: int = REQUESTS_MAX
    ) -> None:
        """Listen at an address.

        Args:
            address: host and port
            handler: what answers
            requests_max: how many clients at a time; more are told to come again
        """
        self._room = threading.BoundedSemaphore(requests_max)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as the standard library does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or refuse it when there are too many.

        Whoever has given up waiting is not served: otherwise a backlog that is too old for everybody never ends.
        """
        if _has_hung_up(request):
            self.shutdown_request(request)
            return
        if not self._room.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(UNAVAILABLE_RAW)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, then make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up; the standard library prints a traceback for each."""


def _has_hung_up(request: socket.socket) -> bool:
    """Say whether a client has closed its connection, or its half of it."""
    end = select.poll()
    end.register(request, select.POLLRDHUP)
    return bool(end.poll(0))


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_CLIENT_S
    # Headers and body in one packet: apart, they wait for each other's acknowledgement.
    wbufsize = BODY_MAX_BYTES
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Leave requests to the metrics: a log of them would grow without end."""

    def body(self) -> Mapping[str, Any]:
        """Return the JSON object that the client sent.

        Raises:
            ValueError: it is none, or too long.
        """
        length = int(self.headers.get("Content-Length", 0))
        if not 0 <= length <= BODY_MAX_BYTES:
            raise ValueError("the body is too long")
        wish = json.loads(self.rfile.read(length) or b"{}")
        if not isinstance(wish, dict):
            raise ValueError("the body must be a JSON object")
        return wish

    def answer_json(self, status: int, content: Any, headers: Mapping[str, str] | None = None) -> int:
        """Answer with JSON, and return the status."""
        return self.answer(
            status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})}
        )

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> int:
        """Answer with bytes, and return the status."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        return status


def serve_until_told(server: WebServer) -> None:
    """Serve until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever, which this thread is in: another thread must ask.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    server.serve_forever(poll_interval=0.1)
