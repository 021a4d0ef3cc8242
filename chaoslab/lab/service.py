"""A small service that lives on its database, as many do: it reads, it writes, it says how it is.

    DATABASE_URL=postgresql://... python -m chaoslab.lab.service --listen 127.0.0.1:8082
    DATABASE_URL=postgresql://... python -m chaoslab.lab.service --check

    GET  /appointments/ID     200; from memory with `X-Degraded: true` when the database is away; else 503
    POST /appointments        201, 422 when the database refuses it, 503 when it is away
    GET  /actuator/health     200 UP, 503 DOWN
    GET  /metrics             Prometheus

No answer takes longer than about 1.5 seconds, whatever becomes of the database.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socketserver
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chaoslab.lab.appointments import SESSION, Appointments
from chaoslab.lab.metrics import Requests, gauges
from chaoslab.lab.pool import Pool, Unavailable
from chaoslab.postgres.connect import load_psycopg, one_line
from chaoslab.runtime.clock import CLOCK

APPLICATION = "appointment-service"
POOL_SIZE = 20
REQUESTS_MAX = 256
IDLE_CLIENT_S = 30.0
BODY_MAX_BYTES = 64 * 1024
APPOINTMENT = re.compile(r"/appointments/(\d{1,18})")
UNAVAILABLE_RAW = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Service(ThreadingHTTPServer):
    """The HTTP server with what its handlers share."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], pool: Pool) -> None:
        """Listen at an address, and serve from a pool."""
        self.pool = pool
        self.appointments = Appointments(pool)
        self.requests = Requests(APPLICATION)
        self._room = threading.BoundedSemaphore(REQUESTS_MAX)
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as the standard library does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or refuse it when there are too many."""
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

    def metrics(self) -> str:
        """Return all figures for a scrape."""
        pool = self.pool
        connections = {
            "hikaricp_connections": pool.active + pool.idle,
            "hikaricp_connections_active": pool.active,
            "hikaricp_connections_idle": pool.idle,
            "hikaricp_connections_max": pool.size,
            "hikaricp_connections_pending": pool.pending,
            "hikaricp_connections_timeout_total": pool.timeouts,
        }
        return self.requests.text() + gauges(connections, APPLICATION)


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    server: Service
    protocol_version = "HTTP/1.1"
    timeout = IDLE_CLIENT_S
    # Headers and body in one packet: apart, they wait for each other's acknowledgement.
    wbufsize = BODY_MAX_BYTES
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a reader."""
        begin = CLOCK.mono()
        match = APPOINTMENT.fullmatch(self.path)
        if match:
            self._timed("/appointments/{id}", begin, lambda: self._get(int(match[1])))
        elif self.path == "/actuator/health":
            self._timed(self.path, begin, self._health)
        elif self.path == "/metrics":
            self._answer(200, self.server.metrics().encode(), {"Content-Type": "text/plain; version=0.0.4"})
        else:
            self._timed("UNKNOWN", begin, lambda: self._json(404, {"error": "no such thing"}))

    def do_POST(self) -> None:
        """Answer a writer."""
        begin = CLOCK.mono()
        if self.path == "/appointments":
            self._timed(self.path, begin, self._post)
        else:
            self.close_connection = True
            self._timed("UNKNOWN", begin, lambda: self._json(404, {"error": "no such thing"}))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Leave requests to the metrics: a log of them would grow without end."""

    def _get(self, number: int) -> int:
        try:
            found, degraded = self.server.appointments.get(number)
        except Unavailable as away:
            return self._json(503, {"error": str(away)}, {"Retry-After": "1"})
        if found is None:
            return self._json(404, {"error": f"no appointment {number}"})
        return self._json(200, found, {"X-Degraded": "true"} if degraded else {})

    def _post(self) -> int:
        try:
            wish = self._body()
        except ValueError as wrong:
            self.close_connection = True
            return self._json(400, {"error": str(wrong)})
        try:
            made = self.server.appointments.create(wish)
        except Unavailable as away:
            return self._json(503, {"error": str(away)}, {"Retry-After": "1"})
        except load_psycopg().Error as refused:
            return self._json(422, {"error": one_line(refused)})
        return self._json(201, made, {"Location": f"/appointments/{made['id']}"})

    def _health(self) -> int:
        try:
            self.server.appointments.check()
        except Unavailable as away:
            return self._json(503, {"status": "DOWN", "components": {"db": {"status": "DOWN", "error": str(away)}}})
        return self._json(200, {"status": "UP", "components": {"db": {"status": "UP"}}})

    def _body(self) -> Mapping[str, Any]:
        length = int(self.headers.get("Content-Length", 0))
        if not 0 <= length <= BODY_MAX_BYTES:
            raise ValueError("the body is too long")
        wish = json.loads(self.rfile.read(length) or b"{}")
        if not isinstance(wish, dict):
            raise ValueError("the body must be a JSON object")
        return wish

    def _timed(self, uri: str, begin: float, work: Any) -> None:
        status = work()
        self.server.requests.observe(self.command, uri, status, CLOCK.mono() - begin)

    def _json(self, status: int, content: Any, headers: Mapping[str, str] | None = None) -> int:
        return self._answer(
            status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})}
        )

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> int:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        return status


def serve(address: tuple[str, int], dsn: str, *, pool_size: int = POOL_SIZE) -> None:
    """Serve until SIGTERM or SIGINT."""
    with Service(address, Pool(dsn, size=pool_size, options=SESSION)) as service:
        for number in (signal.SIGTERM, signal.SIGINT):
            # shutdown() waits for serve_forever, which this thread is in: another thread must ask.
            signal.signal(number, lambda *_: threading.Thread(target=service.shutdown, daemon=True).start())
        service.serve_forever(poll_interval=0.1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the service, or check a database, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaoslab.lab.service")
    parser.add_argument("--listen", default="127.0.0.1:8082", metavar="HOST:PORT")
    parser.add_argument("--pool", type=int, default=POOL_SIZE, metavar="N", help="the most database connections")
    parser.add_argument("--check", action="store_true", help="one end-to-end query against the database, then exit")
    given = parser.parse_args(arguments)
    dsn = os.environ.get("DATABASE_URL", "")
    if not dsn:
        parser.error("DATABASE_URL is not set")
    if given.check:
        from chaoslab.lab.check import report

        raise SystemExit(report(dsn))
    host, _, port = given.listen.rpartition(":")
    serve((host, int(port)), dsn, pool_size=given.pool)


if __name__ == "__main__":
    main()
