"""A web server behind a real HTTP proxy, with a client that never stops asking, and eyes to see what it suffers."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUTE = "/things/{id}"
PATH = "/things/7"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *told):
        """Stay quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *client):
        """Stay quiet: clients are meant to break off."""


class Requested:
    """The target of every fault of HTTP."""

    def __init__(self, folder, pause_s=0.02):
        self._pause_s = pause_s
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Answer)
        self._threads = [threading.Thread(target=work) for work in (self._server.serve_forever, self._chatter)]
        self.control = folder / "proxy.sock"
        state = folder / "proxy.json"
        words = ["--upstream", f"127.0.0.1:{self._server.server_port}"]
        words += ["--control", str(self.control), "--state", str(state)]
        self.proxy = subprocess.Popen([sys.executable, "-m", "chaoslab.http.proxy", *words], stderr=subprocess.DEVNULL)
        while not state.exists():
            time.sleep(0.01)
        self.address = json.loads(state.read_text())["listen"]
        for thread in self._threads:
            thread.start()

    def ask(self, path=PATH, timeout=5.0):
        """Return the status of an answer, or None when the connection was broken off, and the seconds it took."""
        begin = time.monotonic()
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status, time.monotonic() - begin
        except (OSError, http.client.HTTPException):
            return None, time.monotonic() - begin
        finally:
            connection.close()

    def _chatter(self):
        while not self._over.wait(self._pause_s):
            self.ask(timeout=1.0)

    def kill_proxy(self):
        os.kill(self.proxy.pid, signal.SIGKILL)
        self.proxy.wait()

    def stop(self):
        self._over.set()
        with contextlib.suppress(ProcessLookupError):
            self.kill_proxy()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()
