"""What makes no sense or cannot be kept is refused in the plan; what has no effect, or ends early, is told."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from filesystems import LoopDisk, Tmpfs
from processes import kill_all, opener, ours, resident_kib

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.core.record import record_of
from chaoslab.resource import clock, cpu, disk, files, memory, slow_disk
from chaoslab.resource.available import memory as memory_now
from chaoslab.resource.available import stalled_s
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session

LOAD, PRESS, FILL = pin_of(cpu.load), pin_of(memory.press), pin_of(disk.fill)
EXHAUST, SKEW, THROTTLE = pin_of(files.exhaust), pin_of(clock.skew), pin_of(slow_disk.throttle)


@pytest.fixture
def session(tmp_path, state):
    made = Session("bad-days", tmp_path / "run", state=state)
    made.start({"id": "bad-days"})
    yield made
    made.close("completed")


@pytest.fixture
def talker(tmp_path):
    made = opener(tmp_path)
    yield made
    made.stop()


def findings(session):
    return {
        finding.code: finding.severity for finding in record_of(read_events(session.folder / "events.jsonl")).findings
    }


@pytest.mark.parametrize(
    ("pin", "arguments", "told"),
    [
        (LOAD, {"share": "101%"}, "share: .*more than everything"),
        (LOAD, {"share": "0%"}, "share: must be above 0%"),
        (LOAD, {"share": "0.5"}, "share: "),
        (LOAD, {"nice": "20"}, "nice: must be from 0 to 19"),
        (LOAD, {"nice": "-1"}, "nice: must be from 0 to 19"),
        (LOAD, {"cores": "many"}, "cores: must be a number, and is the text 'many'"),
        (LOAD, {"ttl": "0s"}, "ttl: must be longer than zero"),
        (PRESS, {}, "give either share or size"),
        (PRESS, {"share": "5%", "size": "1MiB"}, "give either share or size"),
        (PRESS, {"share": "150%"}, "share: .*more than everything"),
        (PRESS, {"size": "0B"}, "size: must be above zero"),
        (PRESS, {"size": "1MiB", "floor": "1MiB"}, "floor: at least 64 MiB must stay available"),
        (PRESS, {"size": "1MiB", "ttl": "0s"}, "ttl: must be longer than zero"),
        (FILL, {"folder": "/tmp"}, "give either share or size"),
        (FILL, {"folder": "/tmp", "share": "101%"}, "share: .*more than everything"),
        (FILL, {"folder": "/tmp", "size": "0B"}, "size: must be above zero"),
        (FILL, {"folder": "relative", "size": "1MiB"}, "is no absolute path"),
        (FILL, {"folder": "", "size": "1MiB"}, "is no absolute path"),
        (EXHAUST, {}, "give either pid_file or pid"),
        (EXHAUST, {"pid": 1, "spare": "-1"}, "spare: must be from 0"),
        (SKEW, {"offset": "soon", "pid": 1}, "offset: "),
        (SKEW, {"offset": "+0s", "pid": 1}, "is none from 1s to ten years"),
        (SKEW, {"offset": "-4000d", "pid": 1}, "offset: "),
        (THROTTLE, {"folder": "/tmp", "pid": 1}, "give read or write"),
        (THROTTLE, {"folder": "/tmp", "pid": 1, "write": "1KiB"}, "at least 4"),
    ],
)
def test_what_makes_no_sense_is_told(pin, arguments, told):
    with pytest.raises(BadUsage, match=told):
        pin(**arguments)


def test_more_cores_than_there_are_are_refused():
    with pytest.raises(Refused, match=r"4096 cores are asked for, and this process may use \d+"):
        LOAD(cores=4096)


def test_memory_that_would_not_leave_the_floor_is_refused():
    with pytest.raises(Refused, match="would not leave the floor of 512 MiB"):
        PRESS(share="100%")
    with pytest.raises(Refused, match="would not leave the floor"):
        PRESS(size=memory_now().available)


def test_memory_that_is_in_use_already_is_refused():
    with pytest.raises(Refused, match="of the memory is in use already, and 0.01% is asked for"):
        PRESS(share="0.01%")


def test_memory_is_given_back_when_the_machine_needs_it(mark, session, state):
    """The floor comes near while it is held; here because it is moved there by hand."""
    try:
        memory.press(size="32MiB", floor="64MiB", pressure="100%")
        [pid] = ours(mark, "chaoslab.resource.memory")
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
        assert resident_kib([pid]) > 30 * 1024
        session.undo()
        order = {"bytes": 32 << 20, "floor": 1 << 50, "pressure": 1.0, "note": str(state / "note"), "ttl_s": 60}
        code = f"import json; from chaoslab.resource.memory import _take; _take({order!r})[1]()"
        until_gone = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
        assert until_gone.returncode == 0
        assert "so everything was given back" in (state / "note").read_text()
    finally:
        kill_all(ours(mark, "chaoslab.resource.memory"))


@pytest.mark.skipif(stalled_s() is None, reason="this kernel counts no pressure")
def test_others_that_wait_for_memory_get_it_back(tmp_path):
    """The bound is so low that whatever the machine has waited for since its boot is beyond it."""
    order = {"floor": 0, "pressure": 0.0}
    looks = [(float("inf"), -1.0)]
    assert "others waited for memory" in memory._too_much(order, looks)


def test_a_press_that_was_over_early_is_told(session, mark):
    memory.press(size="32MiB", floor="64MiB", pressure="100%")
    [entry] = session.open_entries()
    Path(entry.data["hold"]).with_suffix(".released").write_text("only 5 MiB was available")
    assert session.undo() == []
    assert findings(session) == {"memory-released-early": "warning"}
    assert not list(Path(entry.data["hold"]).parent.iterdir())


def test_a_holder_that_is_killed_at_once_is_without_effect(session, mark):
    """The out-of-memory killer takes it first, as it is meant to."""
    cpu.load(share="5%", cores=1)
    kill_all(ours(mark, "chaoslab.resource.cpu"))
    [entry] = session.open_entries()
    assert not cpu.LOAD.effective(entry.data)
    assert session.undo() == []


def test_the_same_load_twice_is_refused(session, mark):
    cpu.load(share="5%", cores=1)
    with pytest.raises(Refused, match="stands already"):
        cpu.load(share="5%", cores=1)


def test_no_folder_or_none_that_can_be_written_is_refused(tmp_path):
    with pytest.raises(Refused, match="there is no folder"):
        FILL(folder=str(tmp_path / "nothing"), size="1MiB")
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="there is no folder"):
        FILL(folder=str(tmp_path / "file"), size="1MiB")
    with pytest.raises(Refused, match="cannot be written|without a size"):
        FILL(folder="/proc/self", size="1MiB")


def test_a_disk_that_is_full_already_is_refused(own_tmpfs):
    (own_tmpfs.folder / "other").write_bytes(b"x" * (30 << 20))
    with pytest.raises(Refused, match="that is as full as was asked for"):
        FILL(folder=str(own_tmpfs.folder), share="90%", floor="1MiB")
    with pytest.raises(Refused, match="would not leave the floor of 16 MiB"):
        FILL(folder=str(own_tmpfs.folder), size="1MiB", floor="16MiB")


def test_a_disk_becomes_full_to_the_last_byte_when_that_is_meant(own_tmpfs, session):
    disk.fill(folder=str(own_tmpfs.folder), share="100%", floor="0B")
    with pytest.raises(OSError, match="No space left"):
        (own_tmpfs.folder / "other").write_bytes(b"x" * 8192)
    assert session.undo() == []
    (own_tmpfs.folder / "other").write_bytes(b"x" * 8192)
    assert findings(session) == {}


def test_a_read_only_file_system_is_refused(tmp_path, own_tmpfs):
    subprocess.run(["mount", "-o", "remount,ro", own_tmpfs.folder], check=True)
    with pytest.raises(Refused, match="cannot be written by this user"):
        FILL(folder=str(own_tmpfs.folder), size="1MiB", floor="0B")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_memory_that_looks_like_a_disk_keeps_the_machines_floor(tmp_path):
    made = Tmpfs(tmp_path / "large", memory_now().total * 2)
    try:
        with pytest.raises(Refused, match="is memory: .* would not leave 512 MiB of that available"):
            FILL(folder=str(made.folder), share="100%", floor="1MiB")
    finally:
        made.unmount()


def test_where_the_run_itself_writes_some_room_is_kept(state, tmp_path):
    with pytest.raises(Refused, match="is on the same file system: leave a floor of at least 64 MiB"):
        FILL(folder=str(tmp_path), size="1MiB", floor="0B")


def test_a_disk_that_is_not_mounted_any_more_stays_residue(own_tmpfs, session, monkeypatch):
    """Were it a disk and not memory, the file would come back with it."""
    disk.fill(folder=str(own_tmpfs.folder), size="1MiB", floor="0B")
    [entry] = session.open_entries()
    own_tmpfs.unmount()
    with pytest.raises(ChaoslabError, match="is not mounted, and .chaoslab-filler-"):
        disk.FILL.undo({**entry.data, "kind": "ext4"})
    assert session.undo() == []


def test_descriptors_already_used_up_cannot_be_taken(session, talker):
    pid = talker.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files.first_free(pid), hard))
    with pytest.raises(Refused, match="at most, and would keep as many"):
        files.exhaust(pid=pid)
    assert session.open_entries() == []


def test_a_limit_that_somebody_else_has_set_meanwhile_is_left(session, talker):
    pid = talker.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    files.exhaust(pid=pid)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (77, hard))
    assert session.undo() == []
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (77, hard)


def test_what_a_hit_process_has_started_gets_its_limit_back_too(session, tmp_path):
    code = "import subprocess, sys, time\nwhile not sys.stdin.read(1): pass\n"
    code += "p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        before = resource.prlimit(parent.pid, resource.RLIMIT_NOFILE)
        files.exhaust(pid=parent.pid, spare=20)
        parent.stdin.write(b"x")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        assert resource.prlimit(child, resource.RLIMIT_NOFILE) != before
        assert session.undo() == []
        assert resource.prlimit(child, resource.RLIMIT_NOFILE) == before
        assert resource.prlimit(parent.pid, resource.RLIMIT_NOFILE) == before
    finally:
        kill_all([child, parent.pid])
        parent.communicate()


def test_a_process_with_a_clock_of_the_machine_is_refused_and_told_how(talker):
    with pytest.raises(Refused, match="cannot be moved while it runs; start it with LD_PRELOAD=libfaketimeMT.so.1"):
        SKEW(offset="+1h", pid=talker.process.pid)


def test_a_slow_disk_needs_a_disk(talker, own_tmpfs):
    with pytest.raises(Refused, match="is on no block device|cannot be slowed down"):
        THROTTLE(folder=str(own_tmpfs.folder), pid=talker.process.pid, write="1MiB")
    with pytest.raises(Refused, match="there is no folder"):
        THROTTLE(folder="/nowhere", pid=talker.process.pid, write="1MiB")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_slow_disk_of_a_process_that_writes_nothing_proves_nothing(session, tmp_path):
    """It sleeps, so no byte goes through the limit."""
    loop = LoopDisk(tmp_path, size_mb=16)
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        data = THROTTLE(folder=str(loop.folder), pid=sleeper.pid, write="1MiB").data
        slow_disk.THROTTLE.inject(data)
        assert Path(data["ours"], "cgroup.procs").read_text().split() == [str(sleeper.pid)]
        assert not slow_disk.THROTTLE.effective(data)
        slow_disk.THROTTLE.undo(data)
        assert not Path(data["ours"]).exists()
    finally:
        sleeper.kill()
        sleeper.wait()
        loop.unmount()
