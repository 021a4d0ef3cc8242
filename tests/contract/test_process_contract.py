"""The faults of a process keep the contract."""

import signal
import subprocess
import sys
import time

import pytest
from conformance import FaultConformance, MomentaryConformance, until

from chaoslab.process.actions import kill, pause

TICKER = "import itertools, time\nfor n in itertools.count(): print(n, flush=True); time.sleep(0.01)"


class Ticker:
    """A process that counts aloud, so that everybody hears whether it goes on."""

    def __init__(self, folder):
        self.out = folder / "ticks"
        with self.out.open("wb") as stream:
            self.process = subprocess.Popen([sys.executable, "-c", TICKER], stdout=stream)
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


class TestKill(_OfProcess, MomentaryConformance):
    action = staticmethod(kill)

    def destroy(self, target):
        """It is dead already."""


class TestKillGently(TestKill):
    def arguments(self, target):
        return {"pid": target.process.pid, "signal": signal.SIGTERM.name}
