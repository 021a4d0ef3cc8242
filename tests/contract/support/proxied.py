"""An echo server behind a real proxy, with a client whose traffic never ends, and eyes to see what it suffers."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

PIECE = b"x" * 256


class Proxied:
    """The target of every fault of the network."""

    def __init__(self, folder, pause_s=0.01):
        self._pause_s = pause_s
        self._over = threading.Event()
        self._upstream = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._threads = [threading.Thread(target=work) for work in (self._accept, self._chatter)]
        self.control = folder / "proxy.sock"
        state = folder / "proxy.json"
        words = ["--upstream", f"127.0.0.1:{self._upstream.getsockname()[1]}"]
        words += ["--control", str(self.control), "--state", str(state)]
        self.proxy = subprocess.Popen(
            [sys.executable, "-m", "chaoslab.network.proxy", *words], stderr=subprocess.DEVNULL
        )
        while not state.exists():
            time.sleep(0.01)
        host, _, port = json.loads(state.read_text())["listen"].rpartition(":")
        self.address = (host, int(port))
        for thread in self._threads:
            thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._upstream.accept()
                thread = threading.Thread(target=self._echo, args=(connection,), daemon=True)
                thread.start()

    def _echo(self, connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def _chatter(self):
        """Talk through the proxy all the time, as a service does with its database, on one connection after another."""
        while not self._over.is_set():
            with contextlib.suppress(OSError), self.connect(timeout=0.5) as connection:
                while not self._over.wait(self._pause_s):
                    self.round_trip(connection)
            self._over.wait(0.02)

    def connect(self, timeout=3.0):
        return socket.create_connection(self.address, timeout=timeout)

    def round_trip(self, connection, data=PIECE):
        """Return how long an echo takes, in seconds."""
        begin = time.monotonic()
        connection.sendall(data)
        left = len(data)
        while left:
            got = len(connection.recv(left))
            if not got:
                raise ConnectionResetError("ended early")
            left -= got
        return time.monotonic() - begin

    def echo_s(self, data=PIECE, timeout=3.0):
        """Return how long an echo takes on a new connection, in seconds; None when it is cut off."""
        try:
            with self.connect(timeout) as connection:
                return self.round_trip(connection, data)
        except TimeoutError:
            return float("inf")
        except OSError:
            return None

    def quickest_echo_s(self, data=PIECE, tries=5):
        """Return the quickest of several echoes: a fault delays every one of them, a busy machine only some."""
        return min(self.echo_s(data) for _ in range(tries))

    def is_silent(self):
        """Say whether no echo comes, however long one waits for it."""
        return all(self.echo_s(timeout=patience_s) == float("inf") for patience_s in (0.1, 0.3, 0.9))

    def kill_proxy(self):
        self.proxy.kill()
        self.proxy.wait()

    def stop(self):
        self._over.set()
        if self.proxy.poll() is None:
            os.kill(self.proxy.pid, signal.SIGCONT)
        self.kill_proxy()
        self._upstream.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._upstream.close()
