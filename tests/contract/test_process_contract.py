"""The faults of a process keep the contract."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from conformance import FaultConformance, MomentaryConformance, children
from waiting import until

from chaoslab.process.actions import kill, pause
from chaoslab.process.supervised import restart
from chaoslab.runtime.identity import identify

TICKER = "import itertools, time\nfor n in itertools.count(): print(n, flush=True); time.sleep(0.01)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TICKER!r}])"


class Ticker:
    """A process that counts aloud, so that everybody hears whether it goes on."""

    program = TICKER

    def __init__(self, folder):
        self.out = folder / "ticks"
        with self.out.open("wb") as stream:
            self.process = subprocess.Popen([sys.executable, "-c", self.program], stdout=stream)
        self.pid_file = folder / "ticker.pid"
        self.pid_file.write_text(str(self.process.pid))
        until(lambda: self.out.stat().st_size, "it counts")

    def is_silent(self):
        """Say whether nothing is counted for a second, which also a busy machine has a little time in."""
        before, deadline = self.out.stat().st_size, time.monotonic() + 1.0
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.out.stat().st_size > before:
                return False
            time.sleep(0.01)
        return self.out.stat().st_size == before

    def stop(self):
        self.process.kill()
        self.process.wait()


class Family(Ticker):
    """A ticker whose parent is the process that is named."""

    program = PARENT

    def stop(self):
        for pid in (*children(self.process.pid), self.process.pid) if self.process.poll() is None else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Supervised(Ticker):
    """A ticker that is started again whenever it ends."""

    def __init__(self, folder):
        self.out, self.pid_file = folder / "ticks", folder / "ticker.pid"
        words = [sys.executable, "-m", "chaoslab.lab.supervisor", "--pid-file", str(self.pid_file), "--"]
        with self.out.open("wb") as stream:
            self.process = subprocess.Popen([*words, sys.executable, "-c", TICKER], stdout=stream)
        until(self.pid_file.exists, "it runs")
        self.first = self.pid_file.read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class _OfProcess:
    @pytest.fixture
    def target(self, tmp_path):
        ticker = Ticker(tmp_path)
        yield ticker
        ticker.stop()

    def arguments(self, target):
        return {"pid_file": str(target.pid_file)}

    def is_hit(self, target):
        return target.is_silent()

    def destroy(self, target):
        target.stop()


class TestPause(_OfProcess, FaultConformance):
    action = staticmethod(pause)


class TestPauseTree(TestPause):
    """The ticker is a child of the one that is named."""

    @pytest.fixture
    def target(self, tmp_path):
        family = Family(tmp_path)
        yield family
        family.stop()

    def arguments(self, target):
        return {"pid_file": str(target.pid_file), "tree": "yes"}


class TestKill(_OfProcess, MomentaryConformance):
    action = staticmethod(kill)

    def destroy(self, target):
        """It is dead already."""


class TestKillGently(TestKill):
    def arguments(self, target):
        return {"pid": target.process.pid, "signal": signal.SIGTERM.name}


class TestRestart(_OfProcess, MomentaryConformance):
    action = staticmethod(restart)

    @pytest.fixture
    def target(self, tmp_path):
        supervised = Supervised(tmp_path)
        yield supervised
        supervised.stop()

    def is_hit(self, target):
        """Say whether the first one is no more."""
        pid, started = target.first.split()
        found = identify(int(pid))
        return found is None or found.started != int(started) or not found.is_alive()
