"""What can be hit: real targets, one class a fault.

A class says why this machine cannot have such a target (`why_not`), makes one (`__init__`, `stop`), says how the fault
is struck (`strike`, a provider of a catalog file, with chance from the run's own source), what others see of the
target (`state`, compared with before), and how it dies by itself (`die`). Add a fault: write such a class, and name it
in `EVERY` of `torture_registry.py`.
"""

import importlib
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from chaoslab.engine.needs import missing
from chaoslab.runtime.proxyclient import ProxyClient

TESTS = Path(__file__).resolve().parents[2]
for folder in ("contract", "unit"):
    sys.path.append(str(TESTS / folder / "support"))

TTLS = ("400ms", "1s", "30s", "5m")
"""Some are over before the run is, and most are not."""


class Victim:
    """A live target of one fault, and the fault on it."""

    name = ""
    action = ""
    """`package.module:function`"""
    momentary = False
    """A fault that is over when it bit changes its target for good: it is not compared, and must be made anew."""

    called = ""
    """The name of its container, if it is one."""

    WELL = MappingProxyType({})
    """What `state` holds at least when the target is as it should be."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def why_not(cls):
        """Return '' when this machine can have such a target, else what is missing."""
        return ""

    def arguments(self, chance):
        """Return the arguments of the action."""
        raise NotImplementedError

    def strike(self, chance):
        """Return the step of a method that strikes."""
        module, _, function = self.action.partition(":")
        arguments = self.arguments(chance)
        provider = {"type": "python", "module": module, "func": function, "arguments": arguments}
        return {"type": "action", "name": f"strike {self.name}", "provider": provider}

    def rollbacks(self):
        """Return the rollbacks that a file needs for this victim; our own faults need none."""
        return []

    def pids(self):
        """Return the processes that belong to the target."""
        return []

    def namespaces(self):
        """Return a process in each network namespace of the target's own."""
        return []

    def state(self):
        """Return what others see of the target."""
        return {}

    def is_alive(self):
        """Say whether the target still lives."""
        return True

    def die(self):
        """End the target as if it died by itself."""

    def stop(self):
        """Take the target away."""
        self.die()


class Sleeper(Victim):
    """A process that does nothing, which is all that signals need."""

    name, action = "process.pause", "chaoslab.process.actions:pause"

    def __init__(self, folder):
        super().__init__(folder)
        self.process = subprocess.Popen(["sleep", "100000"])

    def arguments(self, chance):
        return {"pid": self.process.pid, "ttl": chance.choice(TTLS)}

    def pids(self):
        return [self.process.pid]

    def state(self):
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        return {"stands still": text.rpartition(")")[2].split()[0] in "Tt"}

    def is_alive(self):
        return self.process.poll() is None

    def die(self):
        self.process.kill()
        self.process.wait()


class Doomed(Sleeper):
    """A process to be killed."""

    name, action, momentary = "process.kill", "chaoslab.process.actions:kill", True

    def arguments(self, chance):
        return {"pid": self.process.pid, "signal": chance.choice(["SIGKILL", "SIGTERM"])}

    def state(self):
        return {}


class Proxied(Victim):
    """An echo server behind our TCP proxy, with traffic that never ends."""

    name, action = "network.delay_tcp", "chaoslab.network.actions:delay_tcp"
    PATIENCE_S = 3.0
    PAUSE_S = 0.1
    """How often its users talk; all victims live side by side."""
    WELL = MappingProxyType({"echoes": True, "toxics": []})

    def __init__(self, folder):
        super().__init__(folder)
        self.target = importlib.import_module("proxied").Proxied(folder, self.PAUSE_S)

    def arguments(self, chance):
        return {"proxy": str(self.target.control), "ttl": chance.choice(TTLS), **self.more(chance)}

    def more(self, chance):
        return {"latency": chance.choice(["150ms", "300ms"])}

    def pids(self):
        return [self.target.proxy.pid]

    def state(self):
        """Return what the proxy says, and whether anything comes through; how quickly depends on others."""
        took_s = self.target.echo_s(timeout=self.PATIENCE_S)
        toxics = sorted(ProxyClient(self.target.control).toxics()) if self.is_alive() else []
        return {"echoes": took_s is not None and took_s < self.PATIENCE_S, "toxics": toxics}

    def is_alive(self):
        return self.target.proxy.poll() is None

    def die(self):
        self.target.kill_proxy()

    def stop(self):
        self.target.stop()
        for path in self.folder.iterdir():
            path.unlink()


class Blackholed(Proxied):
    """The same, with nothing coming through."""

    name, action = "network.blackhole_tcp", "chaoslab.network.actions:blackhole_tcp"

    def more(self, chance):
        return {}


class Reset(Blackholed):
    """The same, with every connection cut."""

    name, action = "network.reset_tcp", "chaoslab.network.actions:reset_tcp"


class Throttled(Proxied):
    """The same, with little coming through."""

    name, action = "network.throttle_tcp", "chaoslab.network.actions:throttle_tcp"
    PAUSE_S = 0.01

    def more(self, chance):
        return {"rate": chance.choice(["16KiB", "64KiB"]), "direction": "upstream"}


class Blocked(Blackholed):
    """The same, with its port blocked by rules in our own network namespace."""

    name, action = "network.firewall.block_port", "chaoslab.network.firewall:block_port"

    @classmethod
    def why_not(cls):
        return "; ".join(map(str, missing(["net-admin", "nftables"])))

    def arguments(self, chance):
        how = chance.choice(["drop", "reject"])
        return {"port": str(self.target.address[1]), "how": how, "ttl": chance.choice(TTLS)}


class Filled(Victim):
    """A folder whose disk loses a little of its room."""

    name, action = "resource.disk.fill", "chaoslab.resource.disk:fill"

    def arguments(self, chance):
        return {"folder": str(self.folder), "size": "4MiB", "ttl": chance.choice(TTLS)}

    def state(self):
        return {"files": sorted(path.name for path in self.folder.iterdir())}


class Loaded(Victim):
    """A core that has a little less to give: its fault is processes, which are seen among ours."""

    name, action = "resource.cpu.load", "chaoslab.resource.cpu:load"

    def arguments(self, chance):
        return {"share": "10%", "cores": 1, "nice": 10, "ttl": chance.choice(TTLS)}


class Filed(Victim):
    """A file that should not be there: the cheapest of all faults."""

    name, action = "file.make", "filefault:make"
    HOW = "well"

    def arguments(self, chance):
        ttl_s = chance.choice([0.4, 1.0, 30.0, 300.0])
        return {"path": str(self.folder / "fault"), "how": self.HOW, "ttl_s": ttl_s}

    def state(self):
        return {"files": sorted(path.name for path in self.folder.iterdir())}


class Scratched(Filed):
    """A scratch thing, which a drill makes."""

    name, action = "file.scratch", "filefault:scratch"

    def arguments(self, chance):
        return {"path": str(self.folder / "scratch")}


class RolledBack(Filed):
    """A step of somebody else's file, with a rollback that needs a program."""

    name = "file.rollback"

    def strike(self, chance):
        provider = {"type": "process", "path": "touch", "arguments": [str(self.folder / "put")]}
        return {"type": "action", "name": "strike file.rollback", "provider": provider}

    def rollbacks(self):
        provider = {"type": "process", "path": "rm", "arguments": ["-f", str(self.folder / "put")]}
        return [{"type": "action", "name": "remove", "provider": provider}]


class Broken(Filed):
    """Sabotage: a fault whose undo does nothing and says that all is well."""

    name, action = "broken.undo", "torture_broken:make"

    def arguments(self, chance):
        return {"path": str(self.folder / "fault")}


class Forgetful(Broken):
    """Sabotage: a fault that forgets a process."""

    name, action = "broken.process", "torture_broken:start"

    def stop(self):
        for path in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(path.read_text()), signal.SIGKILL)
            path.unlink()


def alive(victim):
    """Wait until a target shows itself as it should, which on a busy machine may take a moment."""
    deadline = time.monotonic() + 60.0
    while (seen := victim.state()) != seen | victim.WELL:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the target of {victim.name} is not as it should be: {seen}")
        time.sleep(0.05)
    return victim
