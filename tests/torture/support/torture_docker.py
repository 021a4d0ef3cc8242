"""Containers to be hit: each talks to itself, counts aloud, and has a small disk."""

import time
from contextlib import suppress
from types import MappingProxyType

from torture_daemon import LABEL, Daemon, why_not
from torture_machine import outside
from torture_victims import TTLS, Victim

from chaoslab.engine.needs import missing

LIFE = """
import itertools, socket, threading, time
server = socket.create_server(("127.0.0.1", 5432), backlog=64)
def echo(line):
    try:
        while data := line.recv(64): line.sendall(data)
    except OSError: pass
def accept():
    while True: threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
said = 0
while True:
    try:
        with socket.create_connection(("127.0.0.1", 5432), timeout=0.3) as line:
            line.settimeout(0.3)
            while True:
                line.sendall(b"x" * 32)
                if not line.recv(64): break
                said += 1
                with open("/out/ticks", "w") as out: out.write(str(said))
                time.sleep(0.1)
    except OSError:
        time.sleep(0.02)
"""


class Paused(Victim):
    """A container that lives."""

    name, action = "docker.pause", "chaoslab.docker.actions:pause"
    WELL = MappingProxyType({"lives": True, "files": []})
    POLICY = MappingProxyType({})

    def __init__(self, folder):
        super().__init__(folder)
        daemon = Daemon.need(folder.parent.parent, outside)
        self.called = f"chaoslab-torture-{self.name.replace('.', '-').replace('_', '-')}"
        self._remove()
        self.out = folder / "out"
        self.out.mkdir(exist_ok=True)
        options = {
            "network": self._network(daemon),
            "restart_policy": dict(self.POLICY),
            "tmpfs": {"/disk": "size=16m"},
        }
        self.container = daemon.client.containers.run(
            daemon.image,
            ["python3", "-c", LIFE],
            name=self.called,
            detach=True,
            init=True,
            labels=[LABEL],
            cap_add=["NET_ADMIN"],
            volumes={str(self.out): {"bind": "/out", "mode": "rw"}},
            **options,
        )

    @staticmethod
    def _network(daemon):
        name = "chaoslab-torture"
        if not daemon.client.networks.list(names=[name]):
            daemon.client.networks.create(name, labels={LABEL: ""})
        return name

    @classmethod
    def why_not(cls):
        return why_not()

    def arguments(self, chance):
        return {"container": self.called, "ttl": chance.choice(TTLS), **self.more(chance)}

    def more(self, chance):
        return {}

    def state(self):
        """Return whether it counts on, and what lies on its disk."""
        if not self.is_alive():
            return {"lives": False}
        before, deadline = self._ticks(), time.monotonic() + 3.0
        while self._ticks() == before and time.monotonic() < deadline:
            time.sleep(0.01)
        found = {"lives": self._ticks() != before}
        if found["lives"]:
            listed = self.container.exec_run(["ls", "-A", "/disk"]).output.decode().split()
            rules = self.container.exec_run(
                ["sh", "-c", "nft list ruleset; tc qdisc show"], privileged=True
            ).output.decode()
            found |= {"files": listed, "rules": rules.splitlines()}
        return found

    def _ticks(self):
        try:
            return (self.out / "ticks").read_text()
        except OSError:
            return ""

    def is_alive(self):
        from docker.errors import NotFound

        with suppress(NotFound):
            self.container.reload()
            return True
        return False

    def die(self):
        self._remove()

    def _remove(self):
        from docker.errors import APIError, NotFound

        for _ in range(50):
            try:
                Daemon.client.containers.get(self.called).remove(force=True, v=True)
            except NotFound:
                return
            except APIError:
                time.sleep(0.1)  # somebody else removes or starts it just now


class Stopped(Paused):
    """The same, taken away for a while."""

    name, action = "docker.stop", "chaoslab.docker.actions:stop"

    def more(self, chance):
        return {"grace": chance.choice(["0s", "1s"])}


class Killed(Paused):
    """The same, with a restart policy."""

    name, action, momentary = "docker.kill", "chaoslab.docker.actions:kill", True
    POLICY = MappingProxyType({"Name": "always"})

    def arguments(self, chance):
        return {"container": self.called, "signal": "SIGKILL"}


class Restarted(Paused):
    """The same, turned over."""

    name, action, momentary = "docker.restart", "chaoslab.docker.actions:restart", True

    def arguments(self, chance):
        return {"container": self.called, "grace": "0s"}


class Limited(Paused):
    """The same, with less to use."""

    name, action = "docker.limits.limit", "chaoslab.docker.limits:limit"

    def more(self, chance):
        return chance.choice([{"cpus": "0.5"}, {"memory": "96MiB"}, {"cpus": "0.5", "memory": "96MiB"}])


class Filled(Paused):
    """The same, with its disk full."""

    name, action = "docker.volumes.fill_volume", "chaoslab.docker.volumes:fill_volume"

    def more(self, chance):
        return {"folder": "/disk", "share": "100%", "floor": "1MiB"}


class Disconnected(Paused):
    """The same, without its network."""

    name, action = "docker.joining.disconnect", "chaoslab.docker.joining:disconnect"


class Walled(Paused):
    """The same, which cannot talk to itself."""

    name, action = "docker.network.block_port", "chaoslab.docker.network:block_port"

    def more(self, chance):
        return {"port": 5432, "how": chance.choice(["drop", "reject"]), "way": chance.choice(["host", "exec"])}


class Narrow(Paused):
    """The same, which talks to itself slowly."""

    name, action = "docker.network.limit_rate", "chaoslab.docker.network:limit_rate"

    def more(self, chance):
        return {"interface": "lo", "rate": "1KiB", "ports": "5432"}


class Late(Narrow):
    """The same, which hears itself late; for kernels with netem."""

    name, action = "docker.network.delay", "chaoslab.docker.network:delay"

    @classmethod
    def why_not(cls):
        return "; ".join(filter(None, [super().why_not(), *map(str, missing(["netem"]))]))

    def more(self, chance):
        return {"interface": "lo", "latency": "150ms"}
