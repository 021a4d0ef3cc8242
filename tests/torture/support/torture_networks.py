"""Networks to be hit: two parties that are parted, names that are not answered, lines that the kernel makes bad."""

import importlib
import shutil
import sys
from types import MappingProxyType

from torture_victims import TESTS, TTLS, Blackholed, Victim

from chaoslab.engine.needs import missing

sys.path.append(str(TESTS / "netns" / "support"))


class Narrowed(Blackholed):
    """The echo server, with its answers through a line that is narrow, in our own network namespace."""

    name, action = "network.shaping.limit_rate", "chaoslab.network.shaping:limit_rate"
    NEEDS = ("net-admin",)
    BAD = MappingProxyType({"rate": "2KiB"})
    PAUSE_S = 0.01

    @classmethod
    def why_not(cls):
        return "; ".join(map(str, missing(cls.NEEDS)))

    def arguments(self, chance):
        port = str(self.target.address[1])
        return {"interface": "lo", "ports": port, "side": "source", "ttl": chance.choice(TTLS), **self.BAD}


def _bad(function, **arguments):
    """Make the victim of a fault that needs netem; kernels without it are told."""
    attributes = {
        "name": f"network.shaping.{function}",
        "action": f"chaoslab.network.shaping:{function}",
        "NEEDS": ("net-admin", "netem"),
        "BAD": MappingProxyType(arguments),
        "__doc__": f"The same, with a line that kernels with netem can {function}.",
    }
    return type(function.title(), (Narrowed,), attributes)


BAD_LINES = (
    _bad("delay", latency="150ms"),
    _bad("lose", share="30%"),
    _bad("duplicate", share="50%"),
    _bad("corrupt", share="50%"),
    _bad("reorder", share="50%"),
)


class Parted(Blackholed):
    """The echo server, whose one port is parted from everybody in our own network namespace."""

    name, action = "network.firewall.partition", "chaoslab.network.firewall:partition"

    @classmethod
    def why_not(cls):
        return "; ".join(map(str, missing(["net-admin", "nftables"])))

    def arguments(self, chance):
        here = {"left": "127.0.0.1", "right": "127.0.0.1", "ports": str(self.target.address[1])}
        return {**here, "one_way": chance.choice(["yes", "no"]), "ttl": chance.choice(TTLS)}


class Misnamed(Victim):
    """A host that asks a real DNS server all the time, each in a network namespace of its own."""

    name, action = "network.dns.error", "chaoslab.network.dns:error"
    WELL = MappingProxyType({"answer": "10.1.1.1"})
    HOW = MappingProxyType({})

    def __init__(self, folder):
        super().__init__(folder)
        self.target = importlib.import_module("naming").Naming()

    @classmethod
    def why_not(cls):
        absent = [program for program in ("dig", "dnsmasq", "ip", "nft") if shutil.which(program) is None]
        told = list(map(str, missing(["net-admin", "nftables", "dns"])))
        return "; ".join([*told, *(f"no {program}" for program in absent)])

    def arguments(self, chance):
        where = {"names": "db.internal", "resolver": self.target.server_address, "netns": self.target.client.name}
        return {**where, "ttl": chance.choice(TTLS), **self.HOW}

    def pids(self):
        return [process.pid for process in self.target._processes]

    def state(self):
        told = {"answer": self.target.dig("db.internal")} if self.is_alive() else {}
        rules = [line for text in self.target.rulesets() for line in text.splitlines()]
        return {**told, "rules": rules}

    def is_alive(self):
        return bool(self.target._processes) and self.target._processes[0].poll() is None

    def die(self):
        for process in self.target._processes[:1]:
            process.kill()
            process.wait()

    def stop(self):
        self.target.stop()


class Unanswered(Misnamed):
    """The same, and nobody answers."""

    name, action = "network.dns.no_answer", "chaoslab.network.dns:no_answer"


class Slow(Misnamed):
    """The same, and answers come late."""

    name, action = "network.dns.slow", "chaoslab.network.dns:slow"
    HOW = MappingProxyType({"latency": "500ms"})


class Misled(Misnamed):
    """The same, and answers are wrong."""

    name, action = "network.dns.wrong_address", "chaoslab.network.dns:wrong_address"
    HOW = MappingProxyType({"address": "192.0.2.7"})
