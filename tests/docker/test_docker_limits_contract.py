"""Networks taken away, limits squeezed and disks filled keep the contract."""

import pytest
from conformance import FaultConformance
from containers import Caller, Ticker

from chaoslab.docker.joining import disconnect
from chaoslab.docker.limits import limit
from chaoslab.docker.volumes import fill_volume

MIB = 1 << 20


class TestDisconnect(FaultConformance):
    action = staticmethod(disconnect)

    @pytest.fixture
    def target(self, keep, network):
        return keep(lambda run: Caller(run, network))

    def arguments(self, target):
        return {"container": target.name}

    def is_hit(self, target):
        return target.is_cut_off()

    def destroy(self, target):
        target.remove()


class _OfTicker(FaultConformance):
    options = ()

    @pytest.fixture
    def target(self, keep, tmp_path_factory):
        return keep(lambda run: Ticker(run, tmp_path_factory.mktemp("out"), **dict(self.options)))

    def destroy(self, target):
        target.remove()


class TestLimit(_OfTicker):
    action = staticmethod(limit)

    def arguments(self, target):
        return {"container": target.name, "cpus": "0.2", "memory": "64MiB"}

    def is_hit(self, target):
        return target.kernel("cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"


class TestFillVolume(_OfTicker):
    action = staticmethod(fill_volume)
    options = (("tmpfs", {"/data": "size=8m"}),)

    def arguments(self, target):
        return {"container": target.name, "folder": "/data", "share": "100%", "floor": "0B"}

    def is_hit(self, target):
        told = target.container.exec_run(["df", "-Pk", "/data"]).output.decode().splitlines()[-1].split()
        return int(told[3]) << 10 < MIB

    def destroy(self, target):
        target.remove()
