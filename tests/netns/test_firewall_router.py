"""A partition on a router between others: only the pairs that are named lose each other, as packets pass through."""

import subprocess
from contextlib import contextmanager

import pytest
from spaces import Space, ip, joined
from talking import ECHO, PORTS, SERVER, program, until

from chaoslab.network.firewall import BLOCK, partition
from chaoslab.runtime.fault import pin_of

PORT = PORTS[0]


class Routed:
    """A left and a right host with two addresses each, a server on both, and the router between them."""

    def __init__(self):
        self.left, self.router, self.right = Space(), Space(), Space()
        self.lefts = [joined(self.left, self.router, 1)[0], "10.203.1.11"]
        self.rights = [joined(self.router, self.right, 2)[1], "10.203.2.12"]
        self.left6, self.right6 = "fd00:203:1::1", "fd00:203:2::2"
        for space, link, second, way in ((self.left, "v1", self.lefts[1], 2), (self.right, "v2", self.rights[1], 1)):
            ip("-n", space.name, "address", "add", f"{second}/24", "dev", link)
            ip("-n", space.name, "route", "add", "default", "via", f"10.203.{link[1]}.{way}")
            ip("-n", space.name, "-6", "route", "add", "default", "via", f"fd00:203:{link[1]}::{way}")
        self.router.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self._servers = []
        for space in (self.left, self.right):
            words = ["ip", "netns", "exec", space.name, *program(SERVER), *map(str, PORTS)]
            self._servers.append(subprocess.Popen(words, text=True, stdout=subprocess.PIPE))
            assert self._servers[-1].stdout.readline() == "ready\n"

    def says(self, sender, receiver, *, port=PORT, kind="tcp", patience_s=1.0):
        """Return what somebody at one address hears from the server at another."""
        space = self.left if sender in (*self.lefts, self.left6) else self.right
        code = ECHO.replace("line.connect(", f"line.bind(('{sender}', 0)); line.connect(")
        return space.run(*program(code), kind, receiver, str(port), str(patience_s)).strip()

    @contextmanager
    def parted(self, **arguments):
        before = self.router.run("nft", "list", "ruleset")
        data = pin_of(partition)(**arguments, netns=self.router.name).data
        BLOCK.inject(data)
        try:
            yield data
        finally:
            BLOCK.undo(data)
        assert self.router.run("nft", "list", "ruleset") == before

    def stop(self):
        for server in self._servers:
            server.kill()
            server.wait()
            server.stdout.close()
        for space in (self.left, self.router, self.right):
            space.remove()


@pytest.fixture(scope="module")
def routed():
    made = Routed()
    try:
        until(lambda: made.says(made.lefts[0], made.rights[0]) == "echo", "the router passes packets on")
        yield made
    finally:
        made.stop()


def test_both_ways_are_cut_between_the_named_pair_and_nobody_else(routed):
    with routed.parted(left=routed.lefts[0], right=routed.rights[0]) as data:
        assert not BLOCK.effective(data)
        assert routed.says(routed.lefts[0], routed.rights[0]) == "silence"
        assert BLOCK.effective(data)
        assert routed.says(routed.rights[0], routed.lefts[0], kind="udp") == "silence"
        pairs = [(routed.lefts[one], routed.rights[other]) for one, other in ((0, 1), (1, 0), (1, 1))]
        pairs.append((routed.left6, routed.right6))
        heard = [routed.says(*ends, patience_s=20.0) for pair in pairs for ends in (pair, pair[::-1])]
        assert heard == ["echo"] * 8
    assert routed.says(routed.lefts[0], routed.rights[0], patience_s=20.0) == "echo"


def test_one_way_lets_the_requests_of_the_other_side_arrive(routed):
    """What the right sends arrives; what the left sends, be it the answer, does not."""
    count = "add table inet seen\nadd chain inet seen in { type filter hook input priority 0; }\n"
    for space in (routed.left, routed.right):
        space.run("nft", "-f", "-", stdin=count + f"add rule inet seen in udp dport {PORT} counter\n")
    try:
        with routed.parted(left=routed.lefts[0], right=routed.rights[0], one_way="yes"):
            assert routed.says(routed.rights[0], routed.lefts[0], kind="udp") == "silence"
            assert routed.says(routed.lefts[0], routed.rights[0], kind="udp") == "silence"
            assert "packets 1 " in routed.left.run("nft", "list", "table", "inet", "seen")
            assert "packets 0 " in routed.right.run("nft", "list", "table", "inet", "seen")
    finally:
        for space in (routed.left, routed.right):
            space.run("nft", "delete", "table", "inet", "seen")


def test_networks_and_ports_part_the_pairs_that_they_name(routed):
    with routed.parted(left="10.203.1.0/28", right="10.203.2.12, fd00:203:2::/64", ports=PORT):
        assert [routed.says(one, routed.rights[1]) for one in routed.lefts] == ["silence"] * 2
        assert routed.says(routed.left6, routed.right6, patience_s=20.0) == "echo", "the left names no IPv6"
        assert routed.says(routed.lefts[0], routed.rights[1], port=PORTS[1], patience_s=20.0) == "echo"
        assert routed.says(routed.lefts[0], routed.rights[0], patience_s=20.0) == "echo"
