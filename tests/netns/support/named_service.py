"""A service that needs a name: `/read` for readers, `/health` for whoever watches it. Its argument is its port.

It looks the name up in the background, and answers readers with what it knows. With `--fragile` it looks it up for each
of them, and fails when that does.
"""

import contextlib
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, RIGHT, FRESH_S = "db.internal", "10.1.1.1", 1.5
fragile = "--fragile" in sys.argv
known = {"address": "", "at": 0.0}


def look():
    """Keep the last good answer."""
    while True:
        with contextlib.suppress(OSError):
            known.update(address=socket.gethostbyname(NAME), at=time.monotonic())
        time.sleep(0.1)


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            good = known["address"] == RIGHT and time.monotonic() - known["at"] < FRESH_S
        elif fragile:
            try:
                good = socket.gethostbyname(NAME) == RIGHT
            except OSError:
                good = False
        else:
            good = bool(known["address"])
        self.send_response(200 if good else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        """Say nothing."""


threading.Thread(target=look, daemon=True).start()
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
