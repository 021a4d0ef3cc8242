"""What becomes of a fault whose interface goes down, is a part of something bigger, or whose namespace is removed."""

import subprocess

import pytest
from line import OTHER_PORT, PORT, Line, ip
from waiting import until

from chaoslab.core.errors import Refused
from chaoslab.network.shaping import SHAPE, limit_rate
from chaoslab.runtime.fault import pin_of

DIRECTIONS = pytest.mark.parametrize("direction", ["out", "in"])
RARE = pytest.mark.netem
"""Where this machine's kernel has no netem, it may have none of these either: User-Mode Linux has them."""
SLOW = {"rate": "64KiB", "burst": "16KiB", "queue": "2s"}


@pytest.fixture
def line():
    made = Line(talks=False)
    yield made
    made.destroy()


def struck(line, **more):
    told = {"interface": line.leaf, "netns": line.client, "ports": PORT, **SLOW, **more}
    data = pin_of(limit_rate)(**told).data
    SHAPE.inject(data)
    return data


def is_slow(line):
    """Ask whether 48 KiB take longer than the burst lets pass at once."""
    taken = line.round_trips_s(size=48 * 1024, count=1)
    return not taken or taken[0] > 0.2


def links(line):
    words = ["ip", "-n", line.client, "-br", "link"]
    return [
        text.split()[0]
        for text in subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    ]


@DIRECTIONS
def test_an_interface_that_goes_down_and_up_is_still_slow_and_quick_after_the_undo(line, direction):
    before = line.queues()
    data = struck(line, direction=direction)
    for state in ("down", "up"):
        ip("-n", line.client, "link", "set", line.leaf, state)
    ip("-n", line.client, "addr", "replace", "10.77.0.1/24", "dev", line.leaf)
    assert is_slow(line)
    assert SHAPE.effective(data)
    assert min(line.round_trips_s(OTHER_PORT, size=48 * 1024)) < 0.2
    SHAPE.undo(data)
    assert not is_slow(line)
    assert line.queues() == before


@DIRECTIONS
def test_an_undo_while_the_interface_is_down_takes_all_away(line, direction):
    names, before = links(line), line.queues()
    data = struck(line, direction=direction)
    ip("-n", line.client, "link", "set", line.leaf, "down")
    SHAPE.undo(data)
    ip("-n", line.client, "link", "set", line.leaf, "up")
    assert (links(line), line.queues()) == (names, before)


def test_an_interface_that_disappears_leaves_no_device_of_ours(line):
    data = struck(line, direction="in")
    assert any(name.startswith("clab") for name in links(line))
    ip("-n", line.client, "link", "del", line.leaf)
    assert not SHAPE.effective(data)
    SHAPE.undo(data)
    assert links(line) == ["lo"]


def test_a_namespace_that_disappears_leaves_nothing(line):
    data = struck(line, direction="in")
    line.destroy()
    assert not SHAPE.effective(data)
    SHAPE.undo(data)


def test_an_interface_that_is_renamed_is_undone_by_its_number(line):
    before = line.queues()
    data = struck(line, direction="in")
    for old, new in ((line.leaf, "other0"), ("other0", line.leaf)):
        ip("-n", line.client, "link", "set", old, "down")
        ip("-n", line.client, "link", "set", old, "name", new)
        ip("-n", line.client, "link", "set", new, "up")
        if new == "other0":
            SHAPE.undo(data)
    assert line.queues() == before
    assert not any(name.startswith("clab") for name in links(line))


def test_two_faults_for_one_direction_are_refused_and_one_for_each_stands(line):
    before = line.queues()
    both = [struck(line, direction=direction) for direction in ("out", "in")]
    for direction in ("out", "in"):
        with pytest.raises(Refused, match="another fault shapes already"):
            struck(line, direction=direction, ports=OTHER_PORT)
    assert is_slow(line)
    for data in both:
        SHAPE.undo(data)
    assert line.queues() == before
    assert not is_slow(line)


@DIRECTIONS
def test_loopback_is_shaped_in_both_ways(line, direction):
    """What leaves loopback arrives there: requests come to the port, answers from it."""
    before = line.queues(line.server)
    data = struck(line, interface="lo", netns=line.server, direction=direction, side="either")
    inside = ["ip", "netns", "exec", line.server, "python3", "-c", TALK, str(PORT)]
    taken_s = float(subprocess.run(inside, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert taken_s > 0.2
    assert SHAPE.effective(data)
    SHAPE.undo(data)
    assert line.queues(line.server) == before


TALK = """
import socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as line:
    begun, got = time.monotonic(), 0
    line.sendall(b"x" * 49152)
    while got < 49152:
        got += len(line.recv(65536))
    print(time.monotonic() - begun)
"""


@pytest.mark.parametrize(
    "kind",
    ["bridge", pytest.param("bond", marks=RARE), pytest.param("vlan", marks=RARE)],
    ids=["bridge", "bond", "vlan"],
)
@DIRECTIONS
def test_an_interface_that_is_a_part_of_another_or_made_of_others(line, kind, direction):
    """A fault on the port of a bridge or a bond meets what passes it; one on a bridge, bond or VLAN what is its own."""
    made = compound(line, kind)
    before, names = line.queues(), links(line)
    for name in (line.leaf, made):
        if kind == "vlan" and name == line.leaf:
            continue  # its packets have a tag there, which no filter for IP picks
        data = struck(line, interface=name, direction=direction)
        assert is_slow(line), name
        assert SHAPE.effective(data)
        SHAPE.undo(data)
        assert not is_slow(line), name
        assert (line.queues(), links(line)) == (before, names)


def compound(line, kind):
    """Put the address of the client's end on an interface above it; return that one's name."""
    made = "over0"
    options = ["mode", "active-backup"] if kind == "bond" else ["id", "5"] if kind == "vlan" else []
    base = ["link", line.leaf] if kind == "vlan" else []
    ip("-n", line.client, "link", "add", *base, "name", made, "type", kind, *options)
    ip("-n", line.client, "addr", "flush", "dev", line.leaf)
    if kind == "vlan":
        ip("-n", line.server, "link", "add", "link", "root0", "name", made, "type", "vlan", "id", "5")
        ip("-n", line.server, "addr", "flush", "dev", "root0")
        ip("-n", line.server, "addr", "add", "10.77.0.2/24", "dev", made)
        ip("-n", line.server, "link", "set", made, "up")
    else:
        ip("-n", line.client, "link", "set", line.leaf, "down")
        ip("-n", line.client, "link", "set", line.leaf, "master", made)
    for name in (line.leaf, made):
        ip("-n", line.client, "link", "set", name, "up")
    ip("-n", line.client, "addr", "add", "10.77.0.1/24", "dev", made)
    until(lambda: line.round_trips_s(count=1, timeout_s=1.0), "the line is up again")
    return made
