"""What is special to blocked ports and slow lines of containers."""

import itertools
import re
import subprocess

import pytest
from conformance import FaultConformance, kill_with_its_reaper
from waiting import until

from chaoslab.core.errors import BadUsage, Missing, Refused
from chaoslab.core.record import record_of
from chaoslab.docker.network import block_port, delay, limit_rate
from chaoslab.engine.needs import _netem
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.residue import open_runs, undo_runs
from chaoslab.runtime.runlog import read_events


def commands_in(container):
    return [" ".join(line) for line in container.top(ps_args="-eo pid,args")["Processes"]]


def rules_in(container):
    """Return what the firewall and the queues of a container hold, counters left out, as its host sees it."""
    container.reload()
    place = ["nsenter", f"--net=/proc/{container.attrs['State']['Pid']}/ns/net"]
    said = [
        subprocess.run([*place, *words], capture_output=True, text=True, check=True).stdout
        for words in (["nft", "list", "ruleset"], ["tc", "qdisc"], ["iptables-legacy-save"], ["ip6tables-legacy-save"])
    ]
    return re.sub(r"counter packets \d+ bytes \d+|\[\d+:\d+\]|^#.*$", "", "\n".join(said), flags=re.MULTILINE)


def use_iptables(container):
    """Have rules of somebody else there; its program also leaves its empty tables behind, as ever."""
    for program, hook in itertools.product(("iptables", "ip6tables"), ("OUTPUT", "INPUT")):
        code, said = container.exec_run([program, "-A", hook, "-p", "tcp", "--dport", "9", "-j", "ACCEPT"])
        assert code == 0, said


@pytest.mark.parametrize("tool", ["nft", "iptables"])
def test_from_inside_all_that_others_have_stays_and_the_watchdog_goes_home(caller, session, request, tool):
    image = {} if tool == "nft" else {"image": request.getfixturevalue("image_without_nft")}
    target = caller(cap_add=["NET_ADMIN"], **image)
    use_iptables(target.container)
    before = rules_in(target.container)
    assert "dport 9 " in before
    block_port(target.name, target.port, way="exec", direction="both", peers=target.gateway)
    assert target.is_cut_off()
    if tool == "iptables":
        rules = target.container.exec_run(["iptables", "-S"]).output.decode()
        ours = re.findall(r"-A CHAOSLAB-\w+-(\w+) (-[sd]) ", rules)
        assert sorted(ours) == [("input", "-s"), ("output", "-d")], "who sends is the peer on the way in"
    assert any("chaoslab-watch" in command for command in commands_in(target.container))
    assert session.undo() == []
    until(lambda: not target.is_cut_off(), "it calls again")
    assert rules_in(target.container) == before
    assert not any("chaoslab-watch" in command for command in commands_in(target.container))


@pytest.mark.parametrize("tool", ["nft", "iptables"])
def test_the_watchdog_undoes_when_nobody_else_is_left(caller, tmp_path, request, tool):
    """The run is gone, and its reaper too."""
    image = {} if tool == "nft" else {"image": request.getfixturevalue("image_without_nft")}
    target = caller(cap_add=["NET_ADMIN"], **image)
    use_iptables(target.container)
    before = rules_in(target.container)
    arguments = {"container": target.name, "port": target.port, "way": "exec", "ttl": "2s"}
    with Runner(target, arguments).runner(tmp_path, target) as process:
        kill_with_its_reaper(process)
    until(lambda: not any("chaoslab-watch" in command for command in commands_in(target.container)), "it ended")
    assert rules_in(target.container) == before
    assert not target.is_cut_off()
    [left] = open_runs(tmp_path / "state")
    assert len(left.entries) == 1
    assert [left for _, left in undo_runs(tmp_path / "state")] == [[]]


class Runner(FaultConformance):
    """The suite's own way to strike in another process."""

    action = staticmethod(block_port)

    def __init__(self, target, arguments):
        self.words = arguments

    def arguments(self, target):
        return self.words


def test_a_port_that_nobody_uses_proves_nothing(caller, session, tmp_path):
    target = caller()
    block_port(target.name, 5432, way="host")
    assert session.close("completed") == []
    record = record_of(read_events(tmp_path / "run" / "events.jsonl"))
    assert [fault.effective for fault in record.faults] == [False]
    assert [finding.code for finding in record.findings] == ["fault-without-effect"]


def test_only_the_chosen_container_is_cut_off(caller, session):
    hit, spared = caller(), caller()
    block_port(hit.name, f"{hit.port},{spared.port}", how="reject")
    assert hit.is_cut_off()
    assert not spared.is_cut_off()


@pytest.mark.parametrize("way", ["host", "exec"])
def test_a_container_restarted_under_the_fault_is_left_alone(caller, session, way):
    target = caller(cap_add=["NET_ADMIN"])
    block_port(target.name, target.port, way=way)
    assert target.is_cut_off()
    target.container.restart(timeout=0)
    until(lambda: not target.is_cut_off(), "it calls again")
    before = rules_in(target.container)
    assert session.undo() == []
    assert rules_in(target.container) == before


def test_a_line_can_be_slowed_without_netem(caller, session):
    target = caller()
    before = rules_in(target.container)
    limit_rate(target.name, "1KiB")
    assert "htb" in rules_in(target.container)
    assert session.undo() == []
    assert rules_in(target.container) == before


def test_latency_needs_a_kernel_that_can_or_stands(caller, session):
    target = caller()
    before = rules_in(target.container)
    if _netem():
        delay(target.name, "50ms")
        assert "netem" in rules_in(target.container)
    else:
        with pytest.raises(Missing, match="netem"):
            delay(target.name, "50ms")
    assert session.undo() == []
    assert rules_in(target.container) == before


def test_one_that_uses_its_hosts_network_is_refused(run):
    target = run(["sleep", "60"], network="host")
    for action in (block_port, delay, limit_rate):
        with pytest.raises(Refused, match="uses its host's network"):
            pin_of(action)(target.name)


def test_without_a_way_in_it_is_refused(caller, bare_image):
    target = caller(image=bare_image)
    with pytest.raises(Refused, match="neither nft nor iptables works in it"):
        pin_of(block_port)(target.name, way="exec")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"port": 0}, "port: '0' is no port"),
        ({"port": ""}, "port: name at least one"),
        ({"direction": "up"}, "direction: 'up'"),
        ({"how": "softly"}, "how: 'softly'"),
        ({"protocol": "icmp"}, "protocol: 'icmp'"),
        ({"peers": "nowhere"}, "peers: 'nowhere'"),
        ({"way": "magic"}, "way: 'magic'"),
        ({"ttl": "0s"}, "ttl: must be longer than zero"),
        ({"ttl": "48h"}, "longer than 24h"),
    ],
)
def test_what_makes_no_sense_is_told(idle, more, told):
    with pytest.raises(BadUsage, match=re.escape(told)):
        pin_of(block_port)(idle.name, **more)
