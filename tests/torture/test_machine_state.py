"""The comparison of the machine's states sees each kind of leftover: a torture that sees nothing proves nothing."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
from torture_daemon import Daemon
from torture_docker import Paused
from torture_machine import Machine, differences
from torture_victims import Sleeper, alive

from chaoslab.runtime.claims import paths_of, take
from chaoslab.runtime.entry import Entry

SCRIPT = Path(__file__).parent / "support" / "torture_leftover.py"
LEFT = {
    "processes": "setsid sleep 1000 >/dev/null 2>&1 & sleep 0.1",
    "files": "echo forgotten > left",
    "mounts": "mkdir /dev/shm/m && mount -t tmpfs tmpfs /dev/shm/m",
    "shared memory": "ipcmk -M 4096 && touch /dev/shm/left",
    "qdiscs": "tc qdisc add dev lo root tbf rate 1mbit burst 32kbit latency 400ms",
    "classes and filters": "tc qdisc add dev lo root handle 1: htb && "
    "tc class add dev lo parent 1: classid 1:3 htb rate 1mbit",
    "nftables": "nft add table inet chaoslab_left",
    "iptables": "iptables -A OUTPUT -p tcp --dport 5432 -j DROP",
    "links": "ip link add left0 type veth peer name left1",
    "addresses": "ip address add 127.0.0.9/8 dev lo",
    "routes": "ip route add unreachable 192.0.2.0/24",
}


@pytest.mark.parametrize("kind", LEFT)
def test_a_leftover_is_named(tmp_path, kind):
    words = [word for word in ("tc", "nft", "iptables", "ipcmk", "ip") if word in LEFT[kind].split()]
    if absent := [word for word in words if shutil.which(word) is None]:
        pytest.skip(f"no {', '.join(absent)} here")
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, "sh", "-c", LEFT[kind]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 3:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [line for line in told if line.startswith(f"{kind}: there is now: ")], told


def test_a_control_group_that_is_left_is_named():
    root = next((root for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")) if root.is_dir()), None)
    group = root / f"chaoslab-left-{uuid.uuid4().hex[:8]}" if root else None
    machine = Machine(alone=False)
    before = machine.look()
    try:
        group.mkdir()
    except (AttributeError, OSError) as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        assert f"cgroups: there is now: {group}" in differences(before, machine.look())
    finally:
        group.rmdir()


def test_a_file_that_changed_its_rights_or_its_size_is_named(tmp_path):
    machine = Machine(places=[tmp_path], alone=False)
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    before = machine.look()
    (tmp_path / "one").chmod(0)
    (tmp_path / "two").write_text("22")
    told = [line for line in differences(before, machine.look()) if line.startswith("files: there is now")]
    assert len(told) == 2


def test_a_target_that_stands_still_is_named(tmp_path):
    victim = Sleeper(tmp_path)
    try:
        machine = Machine(alone=False, spared=victim.pids)
        before = machine.look([victim])
        victim.process.send_signal(signal.SIGSTOP)
        while not victim.state()["stands still"]:
            pass
        told = differences(before, machine.look([victim]))
        assert "target of process.pause: there is now: stands still: True" in told
    finally:
        victim.stop()


def test_a_claim_that_is_left_is_named(tmp_path):
    [path] = paths_of(["a place"], tmp_path)
    machine = Machine(alone=False, base=tmp_path)
    before = machine.look()
    entry = Entry(1, "fault", "place", "fault", "m:f", {}, 0.0, claims=(path,), token="t")
    take(entry, tmp_path / "ledger.jsonl", "run")
    try:
        told = differences(before, machine.look())
        assert [line for line in told if line.startswith("claims: there is now: ") and '"token": "t"' in line]
    finally:
        Path(path).unlink()


def test_a_container_that_stays_paused_is_named():
    if why := Paused.why_not():
        pytest.skip(why)
    base = Path(tempfile.mkdtemp(prefix="cl-torture-"))
    try:
        victim = alive(Paused(base / "victims" / "container"))
        machine = Machine(alone=False, spared=victim.pids, base=base)
        before = machine.look()
        victim.container.pause()
        told = differences(before, machine.look())
        assert [line for line in told if line.startswith(f"containers: there is now: /{victim.called} paused")]
        victim.stop()
    finally:
        Daemon.stop(lambda command: command)
        shutil.rmtree(base)
