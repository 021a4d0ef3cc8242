"""More processes to be hit: their memory, their clock, their disk, their descriptors, their supervisor."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from torture_victims import TESTS, TTLS, Sleeper, Victim

sys.path.append(str(TESTS / "resource" / "support"))
SUPERVISE = 'while :; do sleep 100000 & echo $! >"$1.new"; mv "$1.new" "$1"; wait $!; done'


class Lowered(Sleeper):
    """A process that may open no file any more."""

    name, action = "resource.files.exhaust", "chaoslab.resource.files:exhaust"

    def state(self):
        with open(f"/proc/{self.process.pid}/limits") as limits:
            return {"files": next(line for line in limits if line.startswith("Max open files"))}


class Supervised(Victim):
    """A process that its supervisor starts again."""

    name, action, momentary = "process.supervised.restart", "chaoslab.process.supervised:restart", True

    def __init__(self, folder):
        super().__init__(folder)
        self.file = folder / "pid"
        self.file.unlink(missing_ok=True)
        self.process = subprocess.Popen(["sh", "-c", SUPERVISE, "sh", str(self.file)])
        while not self.file.exists():
            time.sleep(0.01)

    def arguments(self, chance):
        return {"pid_file": str(self.file), "signal": chance.choice(["SIGKILL", "SIGTERM"]), "within": "10s"}

    def pids(self):
        return [self.process.pid]

    def is_alive(self):
        return self.process.poll() is None

    def die(self):
        self.process.kill()
        self.process.wait()
        with suppress(OSError, ValueError):
            os.kill(int(self.file.read_text()), signal.SIGKILL)


class Pressed(Victim):
    """A machine that has a little less memory: its fault is a process, which is seen among ours."""

    name, action = "resource.memory.press", "chaoslab.resource.memory:press"

    def arguments(self, chance):
        return {"size": "16MiB", "floor": "64MiB", "pressure": "100%", "ttl": chance.choice(TTLS)}


def faketime():
    """Return the library by which a clock can be moved, or None."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class Skewed(Victim):
    """A process that tells the time, and whose clock can be moved."""

    name, action = "resource.clock.skew", "chaoslab.resource.clock:skew"
    WELL = MappingProxyType({"is right": True})

    def __init__(self, folder):
        super().__init__(folder)
        processes = importlib.import_module("processes")
        environment = {"LD_PRELOAD": str(faketime()), "FAKETIME_TIMESTAMP_FILE": str(folder / "clock")}
        environment |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.target = processes.Talker(folder, ["perl", "-e", processes.TELLER], environment)

    @classmethod
    def why_not(cls):
        return "" if faketime() else "no libfaketime"

    def arguments(self, chance):
        return {"pid": self.target.process.pid, "offset": chance.choice(["-1h", "+90s"]), "ttl": chance.choice(TTLS)}

    def pids(self):
        return [self.target.process.pid]

    def state(self):
        said = self.target.said(1)
        files = sorted(path.name for path in self.folder.iterdir())
        return {"is right": said is not None and abs(time.time() - int(said[-1])) < 30, "files": files}

    def is_alive(self):
        return self.target.process.poll() is None

    def die(self):
        self.target.process.kill()
        self.target.process.wait()
        for name in ("faketime_shm_", "sem.faketime_sem_"):  # a killed process cannot give them back
            Path("/dev/shm", f"{name}{self.target.process.pid}").unlink(missing_ok=True)


class Throttled(Victim):
    """A process that writes to a disk of its own."""

    name, action = "resource.slow_disk.throttle", "chaoslab.resource.slow_disk:throttle"

    def __init__(self, folder):
        super().__init__(folder)
        processes = importlib.import_module("processes")
        self.disk = importlib.import_module("filesystems").LoopDisk(folder)
        words = [sys.executable, "-c", processes.WRITER, folder / "said", self.disk.folder / "file"]
        self.target = processes.Talker(folder, words)

    @classmethod
    def why_not(cls):
        if os.geteuid() != 0:
            return "only root can mount a disk of its own"
        return importlib.import_module("filesystems").why_no_throttle() or ""

    def arguments(self, chance):
        where = {"folder": str(self.disk.folder), "pid": self.target.process.pid}
        return {**where, "write": "128KiB", "ttl": chance.choice(TTLS)}

    def pids(self):
        return [self.target.process.pid]

    def state(self):
        groups = Path(f"/proc/{self.target.process.pid}/cgroup").read_text().splitlines()
        return {"groups": groups}

    def is_alive(self):
        return self.target.process.poll() is None

    def die(self):
        self.target.process.kill()
        self.target.process.wait()

    def stop(self):
        self.die()
        self.disk.unmount()
        shutil.rmtree(self.folder)
