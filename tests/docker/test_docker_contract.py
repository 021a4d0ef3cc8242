"""The faults of whole containers keep the contract, on real ones."""

import pytest
from conformance import FaultConformance, MomentaryConformance
from containers import Ticker

from chaoslab.docker.actions import kill, pause, restart


class _OfContainer:
    @pytest.fixture
    def target(self, run, tmp_path):
        return Ticker(run, tmp_path / "out")

    def arguments(self, target):
        return {"container": target.name}

    def is_hit(self, target):
        return target.is_silent()

    def destroy(self, target):
        target.remove()


class TestPause(_OfContainer, FaultConformance):
    action = staticmethod(pause)


class TestKill(_OfContainer, FaultConformance):
    action = staticmethod(kill)


class TestRestart(_OfContainer, MomentaryConformance):
    action = staticmethod(restart)

    def arguments(self, target):
        return {"container": target.name, "grace": "0s"}

    def is_hit(self, target):
        return target.state()["StartedAt"] != target.container.attrs_at_start

    @pytest.fixture
    def target(self, run, tmp_path):
        made = Ticker(run, tmp_path / "out")
        made.container.attrs_at_start = made.state()["StartedAt"]
        return made
