"""Failures of DNS keep the contract, with a real DNS server and clients that really ask it."""

from pathlib import Path

import pytest
from conformance import FaultConformance
from naming import RECORDS, Naming

from chaoslab.network.dns import error
from chaoslab.network.dns_fault import DNS


def responders_left():
    """The command lines of all responders that serve."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"chaoslab.network.dns_responder" in words:
            found.append(words[-2])
    return found


class TestError(FaultConformance):
    action = staticmethod(error)

    @pytest.fixture
    def target(self):
        naming = Naming()
        table = self.pinned(naming).data["table"].encode()
        yield naming
        naming.stop()
        assert table not in responders_left()

    def arguments(self, target):
        return {"names": "db.internal", "resolver": target.server_address, "netns": target.client.name}

    def is_hit(self, target):
        return target.dig("db.internal") != RECORDS["db.internal"]

    def destroy(self, target):
        target.stop()

    def test_the_fault_is_the_one_that_all_failures_share(self):
        assert self.fault is DNS
