"""The faults of whole containers keep the contract, on real ones."""

import pytest
from conformance import FaultConformance, MomentaryConformance
from containers import Ticker

from chaoslab.docker.actions import kill, pause, restart, stop
from chaoslab.runtime.identity import identify


class _OfContainer:
    @pytest.fixture
    def target(self, keep, tmp_path_factory):
        return keep(lambda run: Ticker(run, tmp_path_factory.mktemp("out")))

    def arguments(self, target):
        return {"container": target.name}

    def is_hit(self, target):
        return target.is_silent()

    def destroy(self, target):
        target.remove()


class TestPause(_OfContainer, FaultConformance):
    action = staticmethod(pause)


class TestStop(_OfContainer, FaultConformance):
    action = staticmethod(stop)

    def arguments(self, target):
        return {"container": target.name, "grace": "0s"}


class _Momentary(_OfContainer, MomentaryConformance):
    @pytest.fixture
    def target(self, keep, tmp_path_factory):
        made = keep(lambda run: Ticker(run, tmp_path_factory.mktemp("out"), restart_policy={"Name": "always"}))
        made.first = identify(made.state()["Pid"])
        return made

    def is_hit(self, target):
        return not target.first.is_alive()


class TestKill(_Momentary):
    action = staticmethod(kill)


class TestRestart(_Momentary):
    action = staticmethod(restart)

    def arguments(self, target):
        return {"container": target.name, "grace": "0s"}
