"""A server behind the proxy, the proxy as a process of its own, and clients in front of it."""

import contextlib
import json
import socket
import subprocess
import sys
import threading

from waiting import until

from chaoslab.runtime.proxyclient import ProxyClient


class Upstream:
    """A server that echoes; after the client's end it says how much it got, then ends too."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.accepted += 1
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection):
        total = 0
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                total += len(data)
                connection.sendall(data)
            connection.sendall(b"total %d" % total)

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Running:
    def __init__(self, folder, upstream, listen="127.0.0.1:0"):
        self.control = folder / "proxy.sock"
        self.state_file = folder / "proxy.json"
        self.state_file.unlink(missing_ok=True)
        words = ["--listen", listen, "--upstream", upstream]
        words += ["--control", str(self.control), "--state", str(self.state_file)]
        self.process = subprocess.Popen([sys.executable, "-m", "chaoslab.network.proxy", *words])
        until(lambda: self.state_file.exists() or self.process.poll() is not None, "the proxy comes up")
        assert self.process.poll() is None, "the proxy ended at once"
        host, _, port = json.loads(self.state_file.read_text())["listen"].rpartition(":")
        self.address = (host, int(port))
        self.client = ProxyClient(str(self.control))

    def connect(self, timeout=60.0):
        return socket.create_connection(self.address, timeout=timeout)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(60)


def ask(connection, data=b"ping"):
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection, length):
    got = b""
    while len(got) < length and (piece := connection.recv(length - len(got))):
        got += piece
    return got


def is_silent(connection, seconds):
    connection.settimeout(seconds)
    try:
        connection.recv(100)
    except TimeoutError:
        return True
    else:
        return False
    finally:
        connection.settimeout(60)
