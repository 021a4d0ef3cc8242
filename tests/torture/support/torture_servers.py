"""Web servers to be hit, with those who ask them all the time."""

import importlib
from types import MappingProxyType

from torture_victims import TTLS, Victim

from chaoslab.runtime.proxyclient import ProxyClient


class Answering(Victim):
    """A web server behind our HTTP proxy, whose clients are told that it fails."""

    name, action = "http.fail", "chaoslab.http.actions:fail"
    WELL = MappingProxyType({"status": 200, "rules": []})

    def __init__(self, folder):
        super().__init__(folder)
        requested = importlib.import_module("requested")
        self.route = requested.ROUTE
        self.target = requested.Requested(folder, pause_s=0.1)

    def arguments(self, chance):
        proxy, share = str(self.target.control), chance.choice(["50%", "100%"])
        where = {"proxy": proxy, "route": self.route, "share": share, "ttl": chance.choice(TTLS)}
        return {**where, **self.more(chance)}

    def more(self, chance):
        return {"status": chance.choice([500, 503])}

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


class Held(Answering):
    """The same, and they wait."""

    name, action = "http.delay", "chaoslab.http.actions:delay"

    def more(self, chance):
        return {"latency": chance.choice(["200ms", "500ms"])}


class CutOff(Answering):
    """The same, and the connection ends under them."""

    name, action = "http.abort", "chaoslab.http.actions:abort"

    def more(self, chance):
        return {}
