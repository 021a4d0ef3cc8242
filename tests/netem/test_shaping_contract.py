"""The shaping faults keep the contract, on real lines between network namespaces."""

import subprocess

import pytest
from conformance import FaultConformance
from line import PORT, Line

from chaoslab.network.shaping import delay, limit_rate


class _OnALine(FaultConformance):
    size = 64
    more = {}  # noqa: RUF012 - never changed

    @pytest.fixture
    def target(self):
        line = Line(size=self.size)
        before = line.queues()
        yield line
        assert line.queues() == before if line.is_there() else True
        line.destroy()

    def arguments(self, target):
        return {"interface": target.leaf, "netns": target.client, "ports": PORT, **self.more}

    def destroy(self, target):
        target.destroy()


@pytest.mark.netem
class TestDelay(_OnALine):
    action = staticmethod(delay)
    more = {"latency": "200ms"}  # noqa: RUF012

    def is_hit(self, target):
        taken = target.round_trips_s()
        return not taken or min(taken) >= 0.19


class TestLimitRate(_OnALine):
    action = staticmethod(limit_rate)
    more = {"rate": "64KiB"}  # noqa: RUF012
    size = 4096

    def is_hit(self, target):
        taken = target.round_trips_s(size=32768)
        return not taken or min(taken) >= 0.2


class TestLimitRateBesideAConfiguredQueue(TestLimitRate):
    """Of what arrives, at an interface whose queue is somebody's own."""

    more = {"rate": "64KiB", "direction": "in", "side": "destination"}  # noqa: RUF012

    @pytest.fixture
    def target(self):
        line = Line(size=self.size)
        words = [
            "qdisc",
            "add",
            "dev",
            line.leaf,
            "root",
            "handle",
            "5:",
            *["tbf", "rate", "1gbit", "burst", "1mb", "limit", "1mb"],
        ]
        subprocess.run(["tc", "-n", line.client, *words], check=True)
        before = line.queues()
        yield line
        assert line.queues() == before if line.is_there() else True
        line.destroy()
