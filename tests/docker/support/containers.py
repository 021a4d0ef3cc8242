"""Containers to be broken, and eyes outside of them."""

import contextlib
import socket
import threading
import time

from docker.errors import NotFound
from docker.types import Ulimit
from waiting import until

from chaoslab.docker.frozen import cgroup_file
from chaoslab.docker.target import identity

TICK = "import itertools, time\nfor n in itertools.count(): print(n, file=open('/out/ticks', 'a')); time.sleep(0.01)"


def usual(client):
    """Return what every container is made with: Podman asks for more descriptors than a machine may allow its root."""
    if "Podman" not in client.version()["Components"][0]["Name"]:
        return {}
    return {"ulimits": [Ulimit(name=name, soft=1024, hard=1024) for name in ("nofile", "nproc")]}


class Ticker:
    """A container that counts into a file of this machine, so that one sees without its daemon whether it goes on."""

    def __init__(self, run, folder, **options):
        folder.mkdir(exist_ok=True)
        self.out = folder / "ticks"
        self.out.touch()
        volumes = {str(folder): {"bind": "/out", "mode": "rw"}, **options.pop("volumes", {})}
        self.container = run(["python3", "-c", TICK], volumes=volumes, **options)
        until(lambda: self.out.stat().st_size, "it counts")

    @property
    def name(self):
        return self.container.name

    def is_silent(self):
        """Say whether nothing is counted for a second, in which also a busy machine has a little time."""
        before, deadline = self.out.stat().st_size, time.monotonic() + 1.0
        while time.monotonic() < deadline:
            if self.out.stat().st_size > before:
                return False
            time.sleep(0.01)
        return True

    def is_well(self):
        """Say whether it counts, so that the next test may have it."""
        with contextlib.suppress(NotFound):
            return self.state()["Status"] == "running" and not self.is_silent()
        return False

    def close(self):
        with contextlib.suppress(NotFound):
            self.remove()

    def kernel(self, controller, *names):
        """Return what the kernel's control group says, in the first of these files that is there."""
        self.container.reload()
        return cgroup_file(identity(self.container.attrs), controller, *names)

    def state(self):
        self.container.reload()
        return self.container.attrs["State"]

    def remove(self):
        self.container.remove(force=True, v=True)


CALL = """
import socket, sys, time
while True:
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.2) as line:
            line.settimeout(0.2)
            while True:
                line.sendall(b'x')
                if not line.recv(1): break
                time.sleep(0.01)
    except OSError:
        time.sleep(0.01)
"""


class Caller:
    """A container that talks to a server of this machine all the time, through its bridge."""

    def __init__(self, run, network, **options):
        network.reload()
        self.gateway = network.attrs["IPAM"]["Config"][0]["Gateway"]
        self.heard = 0
        self._server = socket.create_server((self.gateway, 0), backlog=64)
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        self.container = run(["python3", "-c", CALL, self.gateway, str(self.port)], **options)
        until(lambda: self.heard, "it calls")

    @property
    def name(self):
        return self.container.name

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._server.accept()
                threading.Thread(target=self._echo, args=(line,), daemon=True).start()

    def _echo(self, line):
        with line, contextlib.suppress(OSError):
            while data := line.recv(64):
                self.heard += 1
                line.sendall(data)

    def is_cut_off(self):
        """Say whether nothing is heard of it for a second."""
        before, deadline = self.heard, time.monotonic() + 1.0
        while time.monotonic() < deadline:
            if self.heard > before:
                return False
            time.sleep(0.01)
        return True

    def remove(self):
        self.container.remove(force=True, v=True)

    def is_well(self):
        """Say whether it talks, so that the next test may have it."""
        return not self.is_cut_off()

    def close(self):
        with contextlib.suppress(NotFound):
            self.remove()
        # Whoever waits for a connection is woken by shutdown, not by close.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


ANSWER = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])), backlog=64)
while True:
    line, _ = server.accept()
    with line:
        line.sendall(b"x")
"""


class Answerer:
    """A container that answers, and somebody of this machine who asks it all the time."""

    PORT = 8000

    def __init__(self, run, **options):
        self.container = run(["python3", "-c", ANSWER, str(self.PORT)], **options)
        [network] = self.container.attrs["NetworkSettings"]["Networks"].values()
        self.address = network["IPAddress"]
        self._stopping = threading.Event()
        until(lambda: self.answer_s() < 5, "it answers")
        threading.Thread(target=self._ask, daemon=True).start()

    @property
    def name(self):
        return self.container.name

    def answer_s(self):
        """Return how long it takes to connect and have an answer; 10 when there is none."""
        begun = time.monotonic()
        try:
            with socket.create_connection((self.address, self.PORT), timeout=10) as line:
                line.settimeout(10)
                return time.monotonic() - begun if line.recv(1) else 10.0
        except OSError:
            return 10.0

    def _ask(self):
        while not self._stopping.wait(0.02):
            self.answer_s()

    def is_well(self):
        return self.answer_s() < 0.15

    def remove(self):
        self._stopping.set()
        self.container.remove(force=True, v=True)

    def close(self):
        self._stopping.set()
        with contextlib.suppress(NotFound):
            self.remove()
