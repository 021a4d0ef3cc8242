"""The faults of the proxy keep the contract, with real traffic through a real proxy."""

import pytest
from conformance import FaultConformance
from proxied import Proxied

from chaoslab.network.actions import blackhole_tcp, delay_tcp, reset_tcp, throttle_tcp


class _OfNetwork(FaultConformance):
    more = {}  # noqa: RUF012 - never changed

    @pytest.fixture
    def target(self, tmp_path):
        proxied = Proxied(tmp_path)
        yield proxied
        proxied.stop()

    def arguments(self, target):
        return {"proxy": str(target.control), **self.more}

    def destroy(self, target):
        target.kill_proxy()


class TestDelay(_OfNetwork):
    action = staticmethod(delay_tcp)
    more = {"latency": "150ms", "jitter": "10ms"}  # noqa: RUF012

    def is_hit(self, target):
        return target.quickest_echo_s() >= 0.14


class TestBlackhole(_OfNetwork):
    action = staticmethod(blackhole_tcp)

    def is_hit(self, target):
        return target.is_silent()


class TestReset(_OfNetwork):
    action = staticmethod(reset_tcp)

    def is_hit(self, target):
        return target.echo_s() is None


class TestThrottle(_OfNetwork):
    action = staticmethod(throttle_tcp)
    more = {"rate": "64KiB", "direction": "upstream"}  # noqa: RUF012

    def is_hit(self, target):
        return target.quickest_echo_s(b"x" * 16384) >= 0.15
