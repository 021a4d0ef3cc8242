"""The faults of a process keep the contract."""

import contextlib
import signal
import subprocess
import sys

import pytest
from conformance import FaultConformance, MomentaryConformance

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
        while not self.out.stat().st_size:
            pass

    def is_silent(self, seconds=0.1):
        before = self.out.stat().st_size
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
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
