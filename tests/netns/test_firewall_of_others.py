"""The rules of others are the same before and after, whatever becomes of the run; and on this host as elsewhere."""

import os
import signal
import subprocess

import pytest
from cli_runs import file_of, start
from spaces import Space
from talking import Talking, until

from chaoslab.network.firewall import BLOCK, block_port, partition
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.residue import open_runs

NFT = """
table inet firewall {
    comment "somebody's"
    set trusted { type ipv4_addr; flags interval, timeout; elements = { 10.0.0.0/8 } }
    map ways { type inet_service : verdict; elements = { 22 : accept, 5432 : accept } }
    chain input { type filter hook input priority 0; policy drop;
        ct state established,related accept comment "kept"
        tcp dport vmap @ways
        ip saddr @trusted limit rate 10000/second counter accept
        meta l4proto ipv6-icmp accept
        iif lo accept
    }
    chain raw { type filter hook prerouting priority raw; policy accept
        udp dport 9 notrack
    }
}
table ip nat {
    chain out { type nat hook postrouting priority 100; policy accept
        oifname "nothing" masquerade
    }
}
table netdev empty {
}
"""
LEGACY = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:SOMEBODY - [0:0]
-A INPUT -p tcp -m tcp --dport 5432 -j SOMEBODY
-A SOMEBODY -m comment --comment "of somebody" -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
COMMIT
"""


@pytest.fixture(scope="module")
def guarded():
    """Two hosts that talk, on the client's of which somebody keeps rules of both kinds."""
    made = Talking()
    try:
        made.client.run("nft", "-f", "-", stdin=NFT)
        for program in ("iptables-legacy-restore", "ip6tables-legacy-restore"):
            made.client.run(program, stdin=LEGACY)
        yield made
    finally:
        made.stop()


def rules(space=None):
    """Return all rules of a place, counters aside; without one, of this host."""
    way = ["ip", "netns", "exec", space.name] if space else []
    told = ""
    for command in (["nft", "-s", "list", "ruleset"], ["iptables-legacy-save"], ["ip6tables-legacy-save"]):
        said = subprocess.run([*way, *command], check=True, capture_output=True, text=True, timeout=60).stdout
        told += "\n".join(line.partition("[")[0] for line in said.splitlines() if not line.startswith("#"))
    return told


FAULTS = [
    (block_port, {"port": 5432, "direction": "both", "how": "reject"}),
    (block_port, {"port": "5000-6000", "protocol": "both"}),
    (partition, {"left": "here", "right": "10.203.1.0/24"}),
]


@pytest.mark.parametrize(("action", "arguments"), FAULTS)
def test_foreign_rules_of_both_kinds_are_the_same_afterwards(guarded, action, arguments):
    before = rules(guarded.client)
    assert "somebody's" in before
    assert "SOMEBODY" in before
    data = pin_of(action)(**arguments, netns=guarded.client.name).data
    BLOCK.inject(data)
    during = rules(guarded.client)
    assert during != before
    assert guarded.echo() != "echo"
    BLOCK.undo(data)
    assert rules(guarded.client) == before
    assert guarded.echo(patience_s=20.0) == "echo"


def test_they_are_the_same_after_a_runner_was_killed(guarded, tmp_path):
    before = rules(guarded.client)
    runner = start(tmp_path, "run", file_of(tmp_path, block_port, seconds="60", port=5432, netns=guarded.client.name))
    until(lambda: rules(guarded.client) != before, "the fault is on")
    os.kill(runner.pid, signal.SIGKILL)
    runner.communicate()
    until(lambda: rules(guarded.client) == before, "the reaper has undone it")
    until(lambda: not open_runs(tmp_path / "home" / "chaoslab"), "nothing is left to undo")


def test_this_host_s_rules_are_the_same_afterwards():
    """Of an address that nobody has."""
    before = rules()
    data = pin_of(block_port)(port=9, peers="192.0.2.1").data
    BLOCK.inject(data)
    try:
        assert "192.0.2.1" in rules()
    finally:
        BLOCK.undo(data)
    assert rules() == before


def test_rules_that_somebody_loads_meanwhile_stay():
    space = Space()
    try:
        data = pin_of(block_port)(port=5432, netns=space.name).data
        BLOCK.inject(data)
        space.run("nft", "-f", "-", stdin=NFT)
        BLOCK.undo(data)
        after = rules(space)
        space.run("nft", "flush", "ruleset")
        space.run("nft", "-f", "-", stdin=NFT)
        assert after == rules(space)
    finally:
        space.remove()
