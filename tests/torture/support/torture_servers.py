"""More to be hit: servers and a line, with those who talk to them all the time."""

import importlib
import shutil
import sys
from types import MappingProxyType

from torture_victims import TESTS, TTLS, Blackholed, Sleeper, Victim

from chaoslab.engine.needs import missing
from chaoslab.runtime.proxyclient import ProxyClient

sys.path.append(str(TESTS / "datastores" / "support"))


class Narrowed(Blackholed):
    """The echo server, with its answers through a line that is narrow, in our own network namespace."""

    name, action = "network.shaping.limit_rate", "chaoslab.network.shaping:limit_rate"

    @classmethod
    def why_not(cls):
        return "; ".join(map(str, missing(["net-admin"])))

    def arguments(self, chance):
        port = str(self.target.address[1])
        return {"interface": "lo", "rate": "8KiB", "ports": port, "side": "source", "ttl": chance.choice(TTLS)}


class Answering(Victim):
    """A web server behind our HTTP proxy, whose clients are told that it fails."""

    name, action = "http.fail", "chaoslab.http.actions:fail"
    WELL = MappingProxyType({"status": 200, "rules": []})

    def __init__(self, folder):
        super().__init__(folder)
        requested = importlib.import_module("requested")
        self.route = requested.ROUTE
        self.target = requested.Requested(folder)

    def arguments(self, chance):
        status, share = chance.choice([500, 503]), chance.choice(["50%", "100%"])
        proxy = str(self.target.control)
        return {"proxy": proxy, "route": self.route, "status": status, "share": share, "ttl": chance.choice(TTLS)}

    def pids(self):
        return [self.target.proxy.pid]

    def state(self):
        rules = sorted(ProxyClient(self.target.control).toxics()) if self.is_alive() else []
        return {"status": self.target.ask()[0], "rules": rules}

    def is_alive(self):
        return self.target.proxy.poll() is None

    def die(self):
        if self.is_alive():
            self.target.kill_proxy()

    def stop(self):
        self.target.stop()
        for path in self.folder.iterdir():
            path.unlink()


class Frozen(Victim):
    """A real Redis server that answers nobody for a while."""

    name, action = "redis.freeze", "chaoslab.redis.actions:freeze"
    WELL = MappingProxyType({"answers": True})

    def __init__(self, folder):
        super().__init__(folder)
        self.target = importlib.import_module("redis_server").RedisServer(folder)

    @classmethod
    def why_not(cls):
        absent = "" if shutil.which("redis-server") else "no redis-server"
        return "; ".join([*map(str, missing(["redis"])), *([absent] if absent else [])])

    def arguments(self, chance):
        return {"url": self.target.url, "ttl": chance.choice(TTLS)}

    def pids(self):
        return [self.target.pid] if self.is_alive() else []

    def is_alive(self):
        return self.target.is_alive()

    def state(self):
        return {"answers": self.target.ping_s(timeout_s=3.0) is not None}

    def die(self):
        self.target.kill()

    def stop(self):
        self.target.stop()


class Lowered(Sleeper):
    """A process that may open no file any more."""

    name, action = "resource.files.exhaust", "chaoslab.resource.files:exhaust"

    def state(self):
        with open(f"/proc/{self.process.pid}/limits") as limits:
            return {"files": next(line for line in limits if line.startswith("Max open files"))}
