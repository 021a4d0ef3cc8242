"""The faults of resources keep the contract, on a real kernel and in small doses."""

import os
import sys
import time
from pathlib import Path

import pytest
from conformance import FaultConformance
from filesystems import LoopDisk
from processes import TELLER, WRITER, Talker, kill_all, opener, ours, resident_kib, ticks

from chaoslab.resource import clock, cpu, disk, files, memory, slow_disk
from chaoslab.resource.blockio import device_of

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class _OfHolder:
    """The target is the machine; whether it is hit is seen by what our holder does."""

    module = ""

    @pytest.fixture
    def target(self, mark):
        yield mark
        kill_all(ours(mark, self.module))

    def destroy(self, target):
        kill_all(ours(target, self.module))


class TestLoad(_OfHolder, FaultConformance):
    action = staticmethod(cpu.load)
    module = "chaoslab.resource.cpu"

    def arguments(self, target):
        return {"share": "10%", "cores": 1}

    def is_hit(self, target):
        before, deadline = ticks(ours(target, self.module)), time.monotonic() + 1.0
        while (pids := ours(target, self.module)) and time.monotonic() < deadline:
            if ticks(pids) > before:
                return True
            time.sleep(0.02)
        return False


class TestPress(_OfHolder, FaultConformance):
    action = staticmethod(memory.press)
    module = "chaoslab.resource.memory"
    size_mib = 48

    def arguments(self, target):
        return {"size": f"{self.size_mib}MiB", "floor": "64MiB", "pressure": "100%"}

    def is_hit(self, target):
        return resident_kib(ours(target, self.module)) > self.size_mib * 1024 * 0.9


class TestFill(FaultConformance):
    action = staticmethod(disk.fill)

    @pytest.fixture
    def target(self, own_tmpfs):
        return own_tmpfs

    def arguments(self, target):
        return {"folder": str(target.folder), "share": "90%", "floor": "1MiB"}

    def is_hit(self, target):
        told = os.statvfs(target.folder)
        return target.folder.is_mount() and told.f_bavail < 0.2 * told.f_blocks

    def destroy(self, target):
        target.unmount()


class TestExhaust(FaultConformance):
    action = staticmethod(files.exhaust)

    @pytest.fixture
    def target(self, tmp_path):
        talker = opener(tmp_path)
        yield talker
        talker.stop()

    def arguments(self, target):
        return {"pid_file": str(target.pid_file)}

    def is_hit(self, target):
        said = target.said()
        return said is not None and "ok" not in said

    def destroy(self, target):
        target.stop()


class TestSkew(FaultConformance):
    action = staticmethod(clock.skew)

    @pytest.fixture
    def target(self, tmp_path):
        environment = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock")}
        environment |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        talker = Talker(tmp_path, ["perl", "-e", TELLER], environment)
        yield talker
        talker.stop()

    def arguments(self, target):
        return {"pid_file": str(target.pid_file), "offset": "-1h"}

    def is_hit(self, target):
        said = target.said()
        return said is not None and time.time() - int(said[-1]) > 3000

    def destroy(self, target):
        target.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
class TestThrottle(FaultConformance):
    action = staticmethod(slow_disk.throttle)

    @pytest.fixture
    def target(self, tmp_path):
        loop = LoopDisk(tmp_path)
        talker = Talker(tmp_path, [sys.executable, "-c", WRITER, tmp_path / "said", loop.folder / "file"])
        talker.folder = loop.folder
        assert device_of(loop.folder).startswith("7:")
        yield talker
        talker.stop()
        loop.unmount()

    def arguments(self, target):
        return {"folder": str(target.folder), "pid_file": str(target.pid_file), "write": "128KiB"}

    def is_hit(self, target):
        said = target.said()
        return said is not None and min(map(float, said)) > 0.3

    def destroy(self, target):
        target.stop()
