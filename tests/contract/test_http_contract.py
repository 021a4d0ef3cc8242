"""The faults of the HTTP proxy keep the contract, with real requests through a real proxy.

`abort` is to everything but the proxy's rule the very fault that `fail` is; what is its own is tested with the proxy.
"""

import pytest
from conformance import FaultConformance
from requested import ROUTE, Requested

from chaoslab.http.actions import delay, fail


class _OfHttp(FaultConformance):
    more = {}  # noqa: RUF012 - never changed

    @pytest.fixture
    def target(self, tmp_path):
        requested = Requested(tmp_path)
        yield requested
        requested.stop()

    def arguments(self, target):
        return {"proxy": str(target.control), "route": ROUTE, **self.more}

    def destroy(self, target):
        target.kill_proxy()


class TestFail(_OfHttp):
    action = staticmethod(fail)
    more = {"status": 503, "method": "GET"}  # noqa: RUF012

    def is_hit(self, target):
        return target.ask()[0] == 503


class TestDelay(_OfHttp):
    action = staticmethod(delay)
    more = {"latency": "300ms"}  # noqa: RUF012

    def is_hit(self, target):
        """Only every one of several late answers is the fault's doing; one may be the machine's."""
        return min(target.ask()[1] for _ in range(3)) >= 0.28
