"""Two network namespaces with a line between them, and real traffic on it: what a shaping fault may break."""

import contextlib
import itertools
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from datagrams import between

_numbers = itertools.count(1)
CLIENT, SERVER = "10.77.0.1", "10.77.0.2"
SERVER_V6 = "fd77::2"
PORT, OTHER_PORT = 5432, 5433
EVERY_S = 0.01


def ip(*words):
    """Run `ip`, which must succeed."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def within(netns, work):
    """Do something in a network namespace, in a thread that is not used again; sockets made there stay there."""

    def enter():
        with open(f"/run/netns/{netns}") as file:
            os.setns(file.fileno(), os.CLONE_NEWNET)
        return work()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(enter).result()


class Line:
    """A client's and a server's namespace. `leaf` is the interface at the client's end."""

    leaf = "leaf0"

    def __init__(self, *, size=64, talks=True):
        name = f"chaoslab-test-{os.getpid()}-{next(_numbers)}"
        self.client, self.server = f"{name}-c", f"{name}-s"
        self._open = []
        self._stopping = threading.Event()
        self._pair()
        for port in (PORT, OTHER_PORT):
            for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                self._serve(family, address, port)
        if talks:
            threading.Thread(target=self._talk, args=(size,), daemon=True).start()

    def _pair(self):
        for netns in (self.client, self.server):
            ip("netns", "add", netns)
            ip("-n", netns, "link", "set", "lo", "up")
        ip("-n", self.client, "link", "add", self.leaf, "type", "veth", "peer", "name", "root0", "netns", self.server)
        for netns, link, last in ((self.client, self.leaf, 1), (self.server, "root0", 2)):
            ip("-n", netns, "addr", "add", f"10.77.0.{last}/24", "dev", link)
            ip("-n", netns, "addr", "add", f"fd77::{last}/64", "dev", link, "nodad")
            ip("-n", netns, "link", "set", link, "up")

    def _serve(self, family, address, port):
        def listen():
            listening = socket.socket(family)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((address, port))
            listening.listen(64)
            return listening

        listening = within(self.server, listen)
        self._open.append(listening)
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _accept(self, listening):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def connect(self, port=PORT, *, address=SERVER, timeout_s=20.0):
        """Return a new connection of the client to the server."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = within(self.client, lambda: socket.socket(family))
        connection.settimeout(timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.connect((address, port))
        except OSError:
            connection.close()
            raise
        return connection

    def connect_s(self, port=PORT, **more):
        """Return how long it takes to connect."""
        begun = time.monotonic()
        self.connect(port, **more).close()
        return time.monotonic() - begun

    def round_trips_s(self, port=PORT, *, count=3, size=1, **more):
        """Return how long so many echoes take, one after the other on one connection; none when it breaks."""
        taken = []
        with contextlib.suppress(OSError), self.connect(port, **more) as connection:
            for _ in range(count):
                begun = time.monotonic()
                connection.sendall(b"x" * size)
                got = 0
                while got < size:
                    data = connection.recv(65536)
                    if not data:
                        return taken
                    got += len(data)
                taken.append(time.monotonic() - begun)
        return taken

    def _talk(self, size):
        """Talk all the time, for a fault bites nobody where nobody talks."""
        while not self._stopping.is_set():
            with contextlib.suppress(OSError), self.connect(timeout_s=5.0) as connection:
                while not self._stopping.wait(EVERY_S):
                    connection.sendall(b"x" * size)
                    connection.recv(65536)

    def datagrams(self):
        """Return numbered datagrams from the client to the server."""
        ends = [within(netns, lambda: socket.socket(type=socket.SOCK_DGRAM)) for netns in (self.client, self.server)]
        return between(*ends, (SERVER, PORT))

    @contextlib.contextmanager
    def saturated(self):
        """Use the line as much as it bears."""
        stopping = threading.Event()

        def pump():
            while not stopping.is_set():
                self.round_trips_s(count=5, size=65536)

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def queues(self, netns=""):
        """Return what `tc` shows of all interfaces at one end, the client's unless another is named."""
        told = ""
        for kind in ("qdisc", "class", "filter"):
            for link in ("lo", self.leaf if netns in ("", self.client) else "root0"):
                command = ["tc", "-n", netns or self.client, kind, "show", "dev", link]
                told += subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return told

    def destroy(self):
        """Remove both namespaces, and with them the line; harmless when they are gone."""
        self._stopping.set()
        for listening in self._open:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        self._open.clear()
        for netns in (self.client, self.server):
            subprocess.run(["ip", "netns", "del", netns], check=False, capture_output=True)

    def is_there(self):
        """Say whether the line still stands."""
        return bool(self._open)
