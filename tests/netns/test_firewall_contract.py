"""The faults of the firewall keep the contract, between two hosts that really talk."""

import pytest
from conformance import FaultConformance
from talking import Talking

from chaoslab.network.firewall import block_port, partition


class _BetweenHosts(FaultConformance):
    @pytest.fixture
    def target(self):
        talking = Talking()
        yield talking
        talking.stop()

    def is_hit(self, target):
        return target.echo() != "echo"

    def destroy(self, target):
        target.stop()


class TestBlockPort(_BetweenHosts):
    action = staticmethod(block_port)

    def arguments(self, target):
        return {"port": 5432, "netns": target.client.name}


class TestPartition(_BetweenHosts):
    action = staticmethod(partition)

    def arguments(self, target):
        return {"left": target.client_address, "right": target.server_address, "netns": target.server.name}
