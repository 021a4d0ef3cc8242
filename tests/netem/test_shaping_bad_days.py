"""Whom shaping refuses before anything is touched, and what may happen to an interface while a fault stands."""

import json
import os
import subprocess
import sys

import pytest
from line import PORT, Line, ip
from waiting import until

from chaoslab.core.errors import BadUsage, Missing, Refused
from chaoslab.network import kernel
from chaoslab.network.kernel import has_netem
from chaoslab.network.namespace import Place
from chaoslab.network.shaping import SHAPE, delay, limit_rate
from chaoslab.network.shaping_tree import counters
from chaoslab.network.turns import turn
from chaoslab.runtime.fault import pin_of


@pytest.fixture
def line():
    made = Line(talks=False)
    yield made
    made.destroy()


def tc(line, *words):
    subprocess.run(["tc", "-n", line.client, *words], check=True, capture_output=True)


def configure(line):
    """Give the interface a queue of somebody's own."""
    told = "root handle 5: tbf rate 1gbit burst 1mb limit 1mb"
    tc(line, "qdisc", "add", "dev", line.leaf, *told.split())


def pinned(line, **more):
    told = {"interface": line.leaf, "netns": line.client, "ports": PORT, "rate": "1MiB", **more}
    return pin_of(limit_rate)(**told)


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"interface": "nowhere0"}, Refused, "there is no interface 'nowhere0' in .*; there are lo, leaf0"),
        ({"interface": ""}, BadUsage, "interface: name one"),
        ({"netns": "nowhere"}, Refused, "there is no network namespace nowhere"),
        ({"pid": 1}, BadUsage, "either netns or pid"),
        ({"pid": "x"}, BadUsage, "pid"),
        ({"ttl": "0s"}, BadUsage, "ttl"),
        ({"portz": 80}, BadUsage, "portz: there is no such argument"),
        ({"whole_interface": "yes"}, BadUsage, "whole_interface"),
        ({"netns": "", "interface": "lo", "ports": ""}, Refused, "neither peers nor ports"),
    ],
)
def test_what_cannot_be_meant_is_refused(line, wrong, error, told):
    before = line.queues()
    with pytest.raises(error, match=told):
        pinned(line, **wrong)
    assert line.queues() == before


def test_an_interface_that_is_down_is_refused(line):
    ip("-n", line.client, "link", "set", line.leaf, "down")
    with pytest.raises(Refused, match="is down"):
        pinned(line)


def test_a_queue_that_somebody_configures_after_the_plan_is_left_alone(line):
    data = pinned(line).data
    configure(line)
    before = line.queues()
    with pytest.raises(Refused, match="another root meanwhile"):
        SHAPE.inject(data)
    SHAPE.undo(data)
    assert line.queues() == before


def test_a_second_fault_on_the_interface_is_refused(line):
    data = pinned(line).data
    SHAPE.inject(data)
    with pytest.raises(Refused, match="another fault shapes already"):
        pinned(line, ports=80)
    SHAPE.undo(data)


def test_an_interface_that_disappears_and_another_of_its_name(line):
    data = pinned(line).data
    ip("-n", line.client, "link", "del", line.leaf)
    with pytest.raises(Refused, match="has gone, or is another one by now"):
        SHAPE.inject(data)
    ip("-n", line.client, "link", "add", line.leaf, "type", "veth", "peer", "name", "other0")
    ip("-n", line.client, "link", "set", line.leaf, "up")
    before = line.queues()
    with pytest.raises(Refused, match="has gone, or is another one by now"):
        SHAPE.inject(data)
    SHAPE.undo(data)
    assert line.queues() == before


def test_an_interface_that_is_renamed_is_found_by_its_number(line):
    data, before = pinned(line).data, line.queues()
    SHAPE.inject(data)
    for old, new in ((line.leaf, "other0"), ("other0", line.leaf)):
        ip("-n", line.client, "link", "set", old, "down")
        ip("-n", line.client, "link", "set", old, "name", new)
        ip("-n", line.client, "link", "set", new, "up")
        if new == "other0":
            assert counters(data) is not None
            SHAPE.undo(data)
            assert counters(data) is None
    assert line.queues() == before


def test_the_undo_waits_for_a_tc_that_a_dead_runner_left_behind(line):
    """Somebody who holds the namespace's turn stands for that program."""
    data, before = pinned(line).data, line.queues()
    place = Place.of(data["place"])
    with turn(place) as held:
        late = ["sh", "-c", "sleep 1; exec tc -batch -"]
        straggler = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{line.client}", *late], stdin=subprocess.PIPE, text=True, pass_fds=(held,)
        )
    straggler.stdin.write("\n".join(data["lines"]) + "\n")
    straggler.stdin.close()
    SHAPE.undo(data)
    assert straggler.wait(20) == 0, "it has put the fault up"
    assert line.queues() == before, "and the undo came after it"


def test_half_a_tree_is_taken_away(line):
    data, before = pinned(line).data, line.queues()
    for count in range(1, len(data["lines"])):
        half = "\n".join(data["lines"][:count]) + "\n"
        subprocess.run(["tc", "-n", line.client, "-batch", "-"], input=half, text=True, check=True)
        SHAPE.undo(data)
        assert line.queues() == before


def test_a_kernel_without_netem_is_told_in_the_plan(line, monkeypatch):
    if has_netem():  # then this kernel is to say the contrary
        monkeypatch.setattr(kernel, "has_netem", lambda: False)
    with pytest.raises(Missing, match="netem is missing; use a Linux kernel that has sch_netem"):
        pin_of(delay)(interface=line.leaf, netns=line.client, ports=PORT, latency="1ms")


def test_who_may_not_is_refused_in_the_plan(line, tmp_path):
    code = (
        "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "from chaoslab.core.errors import Refused\n"
        "from chaoslab.network.shaping import limit_rate\n"
        "from chaoslab.runtime.fault import pin_of\n"
        "try: pin_of(limit_rate)(interface='lo', ports=9, rate='1MiB')\n"
        "except Refused as refused: print(refused)\n"
    )
    # What ordinary users may not read cannot be imported by one: have it loaded before.
    loaded = "import chaoslab.network.shaping, chaoslab.core.errors, chaoslab.runtime.fault\n" + code
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert "needs CAP_NET_ADMIN" in done.stdout


def test_a_container_s_own_interface_by_the_pid_of_a_process(line):
    sleeper = subprocess.Popen(["nsenter", f"--net=/run/netns/{line.client}", "sleep", "60"])
    try:
        until(lambda: os.stat(f"/proc/{sleeper.pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino, "it is in")
        found = pinned(line, netns="", pid=sleeper.pid, ports="")
        assert "everything leaving leaf0 of network namespace of process" in found.target
        assert json.loads(json.dumps(found.data)) == found.data
        before = line.queues()
        SHAPE.inject(found.data)
        assert line.queues() != before
    finally:
        sleeper.kill()
        sleeper.wait()
    SHAPE.undo(found.data)
    assert line.queues() == before, "found again though the process has ended"
