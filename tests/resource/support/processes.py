"""Processes that suffer a fault, and ways to see it from outside."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

OPENER = """
import sys, time
out = open(sys.argv[1], "a", buffering=1)
while True:
    try:
        with open("/dev/null"): out.write("ok\\n")
    except OSError as error: out.write(f"{error.errno}\\n")
    time.sleep(0.01)
"""
TELLER = "$| = 1; while (1) { print time, qq(\\n); select undef, undef, undef, 0.02 }"
WRITER = """
import os, sys, time
file = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
with open(sys.argv[1], "a", buffering=1) as out:
    while True:
        begin = time.monotonic()
        os.pwrite(file, b"x" * 65536, 0)
        os.fdatasync(file)
        out.write(f"{time.monotonic() - begin:.4f}\\n")
        time.sleep(0.02)
"""


def until(condition, what, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Talker:
    """A process that says something all the time."""

    def __init__(self, folder, command, environment=None):
        self.out = folder / "said"
        with self.out.open("wb") as stream:
            self.process = subprocess.Popen(command, stdout=stream, env=os.environ | (environment or {}))
        self.pid_file = folder / "talker.pid"
        self.pid_file.write_text(str(self.process.pid))
        until(lambda: self.out.stat().st_size, "it talks")

    def said(self, count=3):
        """Return the next things that it says; None when it is dead, or says too little in ten seconds."""
        before, deadline = len(self._lines()), time.monotonic() + 10
        while len(self._lines()) < before + count:
            if self.process.poll() is not None or time.monotonic() > deadline:
                return None
            time.sleep(0.01)
        return self._lines()[before:][:count]

    def _lines(self):
        return self.out.read_text().split("\n")[:-1]

    def stop(self):
        self.process.kill()
        self.process.wait()


def opener(folder):
    return Talker(folder, [sys.executable, "-c", OPENER, folder / "said"])


def ours(mark, module):
    """Return the pids of the holders, and their workers, that a test has started."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                words = (entry / "cmdline").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if module.encode() in words and state != "Z":
                    found.append(int(entry.name))
    return found


def kill_all(pids):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def ticks(pids):
    """Return the clock ticks that processes have computed, together."""
    used = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
    return used


def resident_kib(pids):
    found = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return found
