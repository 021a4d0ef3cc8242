"""What blocked ports and partitions do to real traffic, and what they leave alone."""

import os
import subprocess
from pathlib import Path

import pytest
from spaces import Space
from talking import Line, Talking, until

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.network.firewall import BLOCK, block_port, partition
from chaoslab.network.namespace import Place, run_in
from chaoslab.runtime.fault import pin_of

CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


@pytest.fixture(scope="module")
def talking():
    made = Talking(callers=False)
    yield made
    made.stop()


@pytest.fixture
def struck(talking):
    """Strike by hand, and undo at the end; the rulesets are then as they were."""
    before, data = talking.rulesets(), []

    def strike(action, **arguments):
        pinned = pin_of(action)(**arguments)
        BLOCK.inject(pinned.data)
        data.append(pinned.data)
        return pinned.data

    yield strike
    for each in data:
        BLOCK.undo(each)
    assert talking.rulesets() == before


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_dropped_packet_is_lost_in_silence(talking, struck, kind, family):
    address = talking.server_address if family == 4 else talking.server6
    assert talking.echo(kind=kind, address=address) == "echo"
    data = struck(block_port, port=5432, protocol="both", netns=talking.client.name)
    assert not BLOCK.effective(data)
    assert talking.echo(kind=kind, address=address) == "silence"
    assert BLOCK.effective(data)
    assert talking.echo(6379, kind=kind, address=address) == "echo", "another port goes on"


@pytest.mark.parametrize("where", ["client", "server"])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_rejected_packet_is_refused_at_once(talking, struck, where, kind):
    netns, direction = (talking.client.name, "out") if where == "client" else (talking.server.name, "in")
    struck(block_port, port=5432, protocol="both", how="reject", direction=direction, netns=netns)
    refusals = {"ConnectionRefusedError", "PermissionError"}  # the kernel tells a local sender of UDP itself
    assert talking.echo(kind=kind, patience_s=20.0) in refusals


def test_one_protocol_alone_is_blocked(talking, struck):
    struck(block_port, port="5432", protocol="udp", netns=talking.client.name)
    assert talking.echo(kind="tcp") == "echo"
    assert talking.echo(kind="udp") == "silence"


def test_what_arrives_is_blocked_for_some_peers_only(talking, struck):
    struck(block_port, port="5432", direction="in", peers=[talking.client_address], netns=talking.server.name)
    assert talking.echo() == "silence"
    assert talking.echo(address=talking.server6) == "echo"


def test_peers_narrow_what_leaves(talking, struck):
    data = struck(block_port, port="5432", peers="10.99.0.0/16 fd99::/64", netns=talking.client.name)
    assert talking.echo() == "echo"
    assert not BLOCK.effective(data)


@pytest.mark.parametrize(("how", "met"), [("drop", "silence"), ("reject", "ConnectionResetError")])
def test_open_connections_are_cut_too_and_go_on_after_a_drop(talking, how, met):
    line = Line(talking.client, talking.server_address, 5432)
    try:
        assert line.says(b"before") == b"before"
        accept = "add table inet other\nadd chain inet other out { type filter hook output priority -400; }\n"
        talking.client.run("nft", "-f", "-", stdin=accept + "add rule inet other out ct state established accept\n")
        pinned = pin_of(block_port)(port=5432, how=how, netns=talking.client.name)
        BLOCK.inject(pinned.data)
        said = line.says(b"during", 20.0 if how == "reject" else 0.5)
        BLOCK.undo(pinned.data)
        assert said == met
        if how == "drop":
            assert line.says(b"", 30.0) == b"during"
    finally:
        line.close()
        talking.client.run("nft", "delete", "table", "inet", "other")


def test_loopback_inside_the_namespace_is_blocked_as_well(talking, struck):
    struck(block_port, port=5432, protocol="both", netns=talking.server.name)
    words = ("python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 5432), timeout=0.3)")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        talking.server.run(*words)
    assert "timed out" in failed.value.stderr


ALONE = """
import os, socket, sys
{before}
line = socket.socket()
line.settimeout(0.3)
try:
    line.connect(("{address}", 5432))
    print("reached")
except OSError as error:
    print(error)
"""


def test_only_one_user_is_blocked(talking, struck):
    struck(block_port, port=5432, user="nobody", netns=talking.client.name)
    assert talking.echo() == "echo"
    code = ALONE.format(before="os.setuid(65534)", address=talking.server_address)
    assert talking.client.run("python3", "-c", code) == "timed out\n"


def test_only_one_cgroup_is_blocked(talking, struck):
    root = next(path for path in CGROUPS if (path / "cgroup.controllers").is_file())
    cgroup = root / f"chaoslab-test-{os.getpid()}" / "below"
    cgroup.mkdir(parents=True)
    try:
        named = str(cgroup.parent.relative_to(root))
        struck(block_port, port=5432, cgroup=named, netns=talking.client.name)
        assert talking.echo() == "echo"
        enter = f"open('{cgroup}/cgroup.procs', 'w').write(str(os.getpid()))"
        code = ALONE.format(before=enter, address=talking.server_address)
        command = ["nsenter", f"--net=/run/netns/{talking.client.name}", "python3", "-c", code]  # sees /sys as we do
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
        assert said == "timed out\n"
    finally:
        until(lambda: not (cgroup / "cgroup.procs").read_text(), "the cgroup is empty")
        cgroup.rmdir()
        cgroup.parent.rmdir()


def test_a_partition_parts_both_ways_and_leaves_the_rest_alone(talking, struck):
    data = struck(partition, left="here", right=talking.server_address, netns=talking.client.name)
    assert [talking.echo(kind=kind) for kind in ("tcp", "udp")] == ["silence"] * 2
    assert talking.echo(address=talking.server6) == "echo"
    assert BLOCK.effective(data)


def test_a_one_way_partition_loses_only_what_goes_from_left_to_right(talking, struck):
    """A request arrives, its answer does not: the server has counted what it got."""
    places = {"left": talking.server_address, "right": talking.client_address, "netns": talking.client.name}
    struck(partition, **places, one_way="yes")
    count = "add table inet seen\nadd chain inet seen in { type filter hook input priority 0; }\n"
    talking.server.run("nft", "-f", "-", stdin=count + "add rule inet seen in udp dport 5432 counter\n")
    try:
        assert talking.echo(kind="udp") == "silence"
        assert "packets 1 " in talking.server.run("nft", "list", "table", "inet", "seen")
    finally:
        talking.server.run("nft", "delete", "table", "inet", "seen")


def test_a_partition_of_some_ports_lets_the_others_pass(talking, struck):
    struck(partition, left="here", right=talking.server_address, ports="5432", netns=talking.client.name)
    assert talking.echo(5432) == "silence"
    assert talking.echo(6379) == "echo"


def test_the_kernel_itself_ends_it_when_nobody_else_does(talking, struck):
    struck(block_port, port=5432, ttl="700ms", netns=talking.client.name)
    assert talking.echo(patience_s=0.3) == "silence"
    until(lambda: talking.echo() == "echo", "the kernel lets it expire")


def test_the_rules_of_others_are_met_and_come_back_exactly(talking, struck):
    rules = """table inet firewall {
        set trusted { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
        chain input { type filter hook input priority 0; policy drop;
            ct state established,related accept
            ip saddr @trusted accept
            iif lo accept
        }
    }
    table ip nat {
        chain out { type nat hook postrouting priority 100;
            oifname "nothing" masquerade
        }
    }
    """
    talking.client.run("nft", "-f", "-", stdin=rules)
    try:
        before = talking.client.run("nft", "list", "ruleset")
        data = pin_of(block_port)(port=5432, direction="both", netns=talking.client.name).data
        BLOCK.inject(data)
        assert talking.echo() == "silence"
        BLOCK.undo(data)
        assert talking.client.run("nft", "list", "ruleset") == before
        assert talking.echo() == "echo"
    finally:
        talking.client.run("nft", "flush", "ruleset")


def test_a_namespace_that_disappears_leaves_nothing_to_undo():
    space = Space()
    data = pin_of(block_port)(port=5432, netns=space.name).data
    BLOCK.inject(data)
    space.remove()
    again = Space()
    try:
        assert not BLOCK.effective(data)
        BLOCK.undo(data)
    finally:
        again.remove()


def test_an_interface_that_disappears_changes_nothing():
    talking = Talking(callers=False)
    try:
        data = pin_of(block_port)(port=5432, netns=talking.client.name).data
        BLOCK.inject(data)
        assert talking.echo() == "silence"
        run_in(Place.of(data["place"]), ["ip", "link", "del", "v1"])
        BLOCK.undo(data)
        assert talking.client.run("nft", "list", "ruleset") == ""
    finally:
        talking.stop()


def test_the_same_fault_twice_is_refused_before_anything_is_touched(talking, struck):
    struck(block_port, port=5432, netns=talking.client.name)
    with pytest.raises(Refused, match=r"drop tcp port 5432 out stands already in network namespace"):
        pin_of(block_port)(port=5432, netns=talking.client.name, ttl="5s")


BAD = [
    (block_port, {"port": ""}, BadUsage, "port: name at least one"),
    (block_port, {"port": "0"}, BadUsage, "'0' is no port"),
    (block_port, {"port": "5432-80"}, BadUsage, "no range of such"),
    (block_port, {"port": "70000"}, BadUsage, "'70000' is no port"),
    (block_port, {"port": "; flush ruleset"}, BadUsage, "is no port"),
    (block_port, {"port": 1, "peers": "db.internal"}, BadUsage, "is no address and no network"),
    (block_port, {"port": 1, "protocol": "icmp"}, BadUsage, "protocol: 'icmp' is none of tcp, udp, both"),
    (block_port, {"port": 1, "direction": "up"}, BadUsage, "direction: 'up' is none of"),
    (block_port, {"port": 1, "how": "melt"}, BadUsage, "how: 'melt' is none of"),
    (block_port, {"port": 1, "user": "nobody", "direction": "in"}, BadUsage, "give direction: out"),
    (block_port, {"port": 1, "user": "no-such-user"}, Refused, "there is no user no-such-user"),
    (block_port, {"port": 1, "cgroup": "no/such"}, Refused, "there is no cgroup no/such"),
    (block_port, {"port": 1, "ttl": "0s"}, BadUsage, "ttl: must be longer than zero"),
    (block_port, {"port": 1, "ttl": "25h"}, BadUsage, "longer than 24h, the longest allowed"),
    (partition, {"left": "", "right": "10.0.0.1"}, BadUsage, "left: name at least one"),
    (partition, {"left": "here", "right": "here"}, BadUsage, "both sides are `here`"),
    (partition, {"left": "10.0.0.0/8", "right": "10.1.0.0/16"}, BadUsage, "on both sides"),
    (partition, {"left": "here", "right": "x"}, BadUsage, "right: 'x' is no address"),
]


@pytest.mark.parametrize(("action", "arguments", "error", "why"), BAD)
def test_what_makes_no_sense_is_refused_by_the_plan(talking, action, arguments, error, why):
    with pytest.raises(error, match=why):
        pin_of(action)(**arguments, netns=talking.client.name)
