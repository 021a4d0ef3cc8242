"""The faults of a container's network keep the contract, from the host and from inside."""

import pytest
from conformance import FaultConformance
from containers import Caller

from chaoslab.docker.network import block_port


class _OfCaller(FaultConformance):
    def is_hit(self, target):
        return target.is_cut_off()

    def destroy(self, target):
        target.remove()


class TestBlockPortFromTheHost(_OfCaller):
    """The image has neither nft nor iptables."""

    action = staticmethod(block_port)

    @pytest.fixture
    def target(self, keep, network, bare_image):
        return keep(lambda run: Caller(run, network, image=bare_image))

    def arguments(self, target):
        return {"container": target.name, "port": target.port, "way": "host"}


class TestBlockPortFromInside(_OfCaller):
    """As on a daemon elsewhere: nft in the container, and a watchdog there."""

    action = staticmethod(block_port)

    @pytest.fixture
    def target(self, keep, network):
        return keep(lambda run: Caller(run, network, cap_add=["NET_ADMIN"]))

    def arguments(self, target):
        return {"container": target.name, "port": target.port, "way": "exec"}
