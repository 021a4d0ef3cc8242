"""What somebody configured comes back exactly as it was, for it is never touched; and what arrives is shaped too."""

import subprocess

import pytest
from line import OTHER_PORT, PORT, Line, ip
from waiting import until

from chaoslab.core.errors import Refused
from chaoslab.network.shaping import SHAPE, delay, limit_rate, lose
from chaoslab.runtime.fault import pin_of

netem = pytest.mark.netem
OTHERS = {
    "tbf": ["qdisc add dev leaf0 root handle 5: tbf rate 1gbit burst 1mb limit 1mb"],
    "htb with classes": [
        "qdisc add dev leaf0 root handle 1: htb default 20 r2q 100",
        "class add dev leaf0 parent 1: classid 1:1 htb rate 900mbit burst 200kb quantum 60000",
        "class add dev leaf0 parent 1:1 classid 1:10 htb rate 300mbit ceil 900mbit prio 1 quantum 60000",
        "class add dev leaf0 parent 1:1 classid 1:20 htb rate 600mbit ceil 900mbit prio 2 quantum 60000",
        "qdisc add dev leaf0 parent 1:20 handle 20: bfifo limit 1mb",
        "filter add dev leaf0 parent 1: protocol ip prio 3 u32 match ip dport 5433 0xffff flowid 1:10",
    ],
    "a bounded pfifo": ["qdisc add dev leaf0 root handle 7: pfifo limit 77"],
    "a clsact with filters": [
        "qdisc add dev leaf0 root handle 5: tbf rate 1gbit burst 1mb limit 1mb",
        "qdisc add dev leaf0 clsact",
        "filter add dev leaf0 egress protocol ip pref 10 u32 match ip dport 9 0xffff flowid 1:3",
        "filter add dev leaf0 ingress protocol ipv6 u32 match ip6 dport 9 0xffff flowid 1:4",
    ],
    "an empty clsact": ["qdisc add dev leaf0 clsact", "qdisc add dev leaf0 root handle 7: pfifo limit 77"],
}


@pytest.fixture(scope="module")
def line():
    made = Line()
    yield made
    made.destroy()


@pytest.fixture
def others(line):
    """Configure the interface as somebody else would; at the end it is as he left it."""

    def configure(name):
        tc(line, *OTHERS[name])
        return state(line)

    before = state(line)
    yield configure
    for kind in ("root", "clsact", "ingress"):
        subprocess.run(
            ["tc", "-n", line.client, "qdisc", "del", "dev", line.leaf, kind], check=False, capture_output=True
        )
    assert state(line) == before


def tc(line, *lines):
    told = "\n".join(lines) + "\n"
    subprocess.run(["tc", "-n", line.client, "-batch", "-"], input=told, text=True, check=True, capture_output=True)


def state(line):
    """Return all that `tc` and `ip` show of the client's end, counters aside."""
    told = subprocess.run(["ip", "-n", line.client, "-br", "link"], check=True, capture_output=True, text=True).stdout
    for words in (["qdisc"], ["class"], ["filter"], ["filter", "ingress"], ["filter", "egress"]):
        kind, *hook = words
        command = ["tc", "-n", line.client, kind, "show", "dev", line.leaf, *hook]
        told += subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return told


def pinned(line, action=limit_rate, **more):
    told = {"interface": line.leaf, "netns": line.client, "ports": PORT, "side": "destination", **more}
    if action is limit_rate:
        told.setdefault("rate", "64KiB")
    return pin_of(action)(**told)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("direction", ["out", "in"])
def test_what_somebody_configured_stays_and_is_exactly_the_same_afterwards(line, others, name, direction):
    before = others(name)
    data = pinned(line, direction=direction, rate="1MiB", burst="16KiB").data
    SHAPE.inject(data)
    during = state(line)
    assert all(queue in during for queue in before.splitlines() if queue.startswith(("qdisc", "class")))
    with line.saturated():
        until(lambda: SHAPE.effective(data), "it bites")
        assert min(line.round_trips_s(OTHER_PORT)) < 0.15, "others go on"
    SHAPE.undo(data)
    assert state(line) == before
    SHAPE.undo(data)
    assert state(line) == before


@netem
@pytest.mark.parametrize("direction", ["out", "in"])
def test_a_delay_beside_a_configured_queue_or_of_what_arrives(line, others, direction):
    before = others("htb with classes")
    data = pinned(line, delay, latency="300ms", direction=direction).data
    SHAPE.inject(data)
    until(lambda: SHAPE.effective(data), "it bites")
    assert 0.3 <= min(line.round_trips_s()) < 0.45
    assert min(line.round_trips_s(OTHER_PORT)) < 0.15
    SHAPE.undo(data)
    assert state(line) == before
    assert min(line.round_trips_s()) < 0.15


@netem
def test_all_that_arrives_is_lost(line, others):
    others("tbf")
    data = pinned(line, lose, share="100%", direction="in").data
    SHAPE.inject(data)
    assert line.round_trips_s(timeout_s=0.5) == []
    assert SHAPE.effective(data)
    assert min(line.round_trips_s(OTHER_PORT)) < 0.15
    SHAPE.undo(data)
    until(lambda: line.round_trips_s(timeout_s=2.0), "it is back")


def test_half_of_it_is_taken_away(line, others):
    before = others("tbf")
    data = pinned(line, direction="in").data
    SHAPE.undo(data)
    assert state(line) == before
    device = data["road"]["device"]
    lines = [*data["lines"], f"qdisc add dev {line.leaf} clsact", *data["road"]["filters"]]
    for count in range(len(lines)):
        ip("-n", line.client, "link", "add", "name", device, "type", "ifb")
        tc(line, *lines[:count])
        SHAPE.undo(data)
        assert state(line) == before


def test_both_directions_at_once_end_in_any_order(line, others):
    before = others("tbf")
    for order in ((0, 1), (1, 0)):
        both = []
        for direction in ("out", "in"):
            both.append(pinned(line, direction=direction).data)
            SHAPE.inject(both[-1])
        with pytest.raises(Refused, match="another fault shapes already"):
            pinned(line, direction="in", ports=OTHER_PORT)
        for number in order:
            SHAPE.undo(both[number])
        assert state(line) == before


def test_a_filter_that_somebody_adds_meanwhile_stays(line, others):
    before = others("tbf")
    data = pinned(line).data
    SHAPE.inject(data)
    tc(line, f"filter add dev {line.leaf} ingress protocol ip u32 match ip dport 9 0xffff flowid 1:3")
    SHAPE.undo(data)
    assert "clsact" in state(line)
    assert data["road"]["device"] not in state(line)
    tc(line, f"qdisc del dev {line.leaf} clsact")
    assert state(line) == before


def test_a_hook_that_somebody_makes_after_the_plan_is_left_alone(line, others):
    others("tbf")
    data = pinned(line).data
    tc(
        line,
        f"qdisc add dev {line.leaf} clsact",
        f"filter add dev {line.leaf} egress protocol ip u32 match u32 0 0 flowid 1:3",
    )
    before = state(line)
    with pytest.raises(Refused, match="meanwhile"):
        SHAPE.inject(data)
    SHAPE.undo(data)
    assert state(line) == before


def test_where_somebody_s_ingress_stands_packets_that_leave_have_no_way(line, others):
    others("tbf")
    tc(line, f"qdisc add dev {line.leaf} ingress")
    before = state(line)
    with pytest.raises(Refused, match="somebody configured tbf 5: on leaf0 .* has somebody's `ingress`"):
        pinned(line)
    data = pinned(line, direction="in").data
    SHAPE.inject(data)
    SHAPE.undo(data)
    assert state(line) == before


def test_nothing_speaks_over_our_device_of_its_own_accord(line, others):
    """Else a fault that met nobody would be said to bite."""
    others("tbf")
    data = pinned(line, direction="in", ports="", whole_interface="no", peers="10.99.0.0/16").data
    SHAPE.inject(data)
    line.round_trips_s(count=20)
    assert not SHAPE.effective(data)
    told = subprocess.run(
        ["tc", "-n", line.client, "-s", "qdisc", "show", "dev", data["road"]["device"]],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    SHAPE.undo(data)
    assert "Sent 0 bytes 0 pkt" in told
    assert "Sent 1" not in told
