"""Pause and kill hit the very process that was meant, and never one that must live."""

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.process.actions import KILL, PAUSE, kill, pause
from chaoslab.process.target import data_of, of_file
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.identity import ProcessIdentity, identify, state_of

SLEEPER = [sys.executable, "-c", "import time; print('on', flush=True); time.sleep(60)"]


@pytest.fixture
def sleeper():
    process = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def ended():
    """Return the pid and start time of a process that is no more."""
    process = subprocess.Popen(["true"], stdin=subprocess.DEVNULL)
    identity = identify(process.pid)
    process.wait()
    return identity


pin = pin_of(pause)


def data(process, **more):
    return {**data_of(identify(process.pid)), **more}


def test_pinning_touches_nothing_and_names_the_process(sleeper):
    pinned = pin_of(pause)(pid=sleeper.pid, ttl="5s")
    assert pinned.target.startswith(f"process {sleeper.pid} (python")
    assert pinned.ttl_s == 5.0
    assert state_of(sleeper.pid) != "T"


@pytest.mark.parametrize("text", ["{pid}", "{pid}\n", "{pid} {started}", "{pid}\n{started}\n"])
def test_a_pid_file_names_its_process(sleeper, tmp_path, text):
    identity = identify(sleeper.pid)
    file = tmp_path / "pid"
    file.write_text(text.format(pid=identity.pid, started=identity.started))
    assert of_file(file) == identity


def test_a_pid_file_with_another_start_time_is_stale(sleeper, tmp_path):
    file = tmp_path / "pid"
    file.write_text(f"{sleeper.pid} {identify(sleeper.pid).started - 1}")
    with pytest.raises(Refused, match="is stale: process .* is another process that got its pid"):
        of_file(file)


def test_a_pid_file_older_than_its_process_is_stale(sleeper, tmp_path):
    file = tmp_path / "pid"
    file.write_text(str(sleeper.pid))
    os.utime(file, (time.time() - 3600, time.time() - 3600))
    with pytest.raises(Refused, match="is stale"):
        of_file(file)


def test_a_pid_file_of_a_process_that_is_gone_is_stale(tmp_path):
    file = tmp_path / "pid"
    file.write_text(str(ended().pid))
    with pytest.raises(Refused, match="there is no process .*; the pid file .* is stale"):
        of_file(file)


@pytest.mark.parametrize("text", ["", "abc", "-1", "12 x", "1 2 3", "٣"])
def test_what_is_no_pid_file_is_told(tmp_path, text):
    file = tmp_path / "pid"
    file.write_text(text)
    with pytest.raises(BadUsage, match="is no pid file: it must hold `pid` or `pid start-time`"):
        of_file(file)


def test_a_pid_file_that_is_not_there_is_told():
    with pytest.raises(Refused, match="cannot read the pid file /nowhere/pid: No such file or directory"):
        pin(pid_file="/nowhere/pid", pid=0)


def test_nothing_is_meant_without_an_argument_and_nothing_clear_with_two():
    for arguments in ({"pid_file": "", "pid": 0}, {"pid_file": "/x", "pid": 5}):
        with pytest.raises(BadUsage, match="either pid_file or pid"):
            pin(**arguments)


@pytest.mark.parametrize("pid", [-5, 999_999_999])
def test_a_pid_that_nobody_has_is_refused(pid):
    with pytest.raises(Refused, match=f"there is no process {pid}"):
        pin(pid_file="", pid=pid)


def test_what_the_run_stands_on_is_refused():
    with pytest.raises(Refused, match="is the run itself"):
        pin(pid_file="", pid=os.getpid())
    # Whose parent has died, or who runs first in a container, is a child of the first process.
    with pytest.raises(Refused, match="from which the run was started|is the first process of the system"):
        pin(pid_file="", pid=os.getppid())
    with pytest.raises(Refused, match="is the first process of the system"):
        pin(pid_file="", pid=1)


def test_a_thread_of_the_kernel_is_refused():
    if Path("/proc/2/comm").exists() and Path("/proc/2/comm").read_text() == "kthreadd\n":
        with pytest.raises(Refused, match="is a thread of the kernel"):
            pin(pid_file="", pid=2)
    else:
        pytest.skip("this machine shows no threads of the kernel")


def test_a_thread_is_no_process():
    held = threading.Event()
    thread = threading.Thread(target=held.wait)
    thread.start()
    try:
        with pytest.raises(Refused, match=f"is a thread of process {os.getpid()}"):
            pin(pid_file="", pid=thread.native_id)
    finally:
        held.set()
        thread.join()


def test_the_reaper_of_a_run_is_refused():
    code = "import time; print('on', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, "chaoslab.runtime.reaper"], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        with pytest.raises(Refused, match="is the reaper"):
            pin(pid_file="", pid=process.pid)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def stop(process):
    """Stop a process, and wait until it is: the machine may not have given it a moment yet."""
    process.send_signal(signal.SIGSTOP)
    while state_of(process.pid) != "T":
        time.sleep(0.01)


def test_a_process_that_is_stopped_already_is_left_alone(sleeper):
    stop(sleeper)
    with pytest.raises(Refused, match="is stopped already, by an earlier run"):
        pin_of(pause)(pid=sleeper.pid)


def as_nobody(work):
    """Call something in a child that is another user; return what it raised, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            user = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            work()
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as stream:
        return stream.read().decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_missing_permission_is_one_clear_refusal(sleeper):
    target = data(sleeper)
    told = as_nobody(lambda: pin(pid_file="", pid=sleeper.pid))
    assert told.startswith(f"Refused: refused by process: not permitted to signal process {sleeper.pid} (python")
    assert "which belongs to user 0; run as that user, or as root" in told
    told = as_nobody(lambda: PAUSE.inject(target))
    assert told.startswith(f"ChaoslabError: not permitted to send SIGSTOP to process {sleeper.pid}")
    assert state_of(sleeper.pid) != "T"


def test_pause_stops_every_thread_and_undo_lets_them_go_on():
    code = (
        "import threading, time\n"
        "for _ in range(3): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "print('on', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        target = data(process)
        PAUSE.inject(target)
        until = time.monotonic() + 60
        while not PAUSE.effective(target):
            assert time.monotonic() < until
        states = {state_of(int(task.name)) for task in Path(f"/proc/{process.pid}/task").iterdir()}
        assert states == {"T"}
        PAUSE.undo(target)
        PAUSE.undo(target)
        assert not PAUSE.effective(target)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_reused_pid_is_never_hit(sleeper):
    """The ledger means a process that had this pid before."""
    now = identify(sleeper.pid)
    before = data_of(ProcessIdentity(now.pid, now.started - 1, now.boot))
    for fault, more in ((PAUSE, {}), (KILL, {"signal": "SIGKILL"})):
        with pytest.raises(Refused, match="ended before it could be"):
            fault.inject({**before, **more})
    assert not PAUSE.effective(before)
    assert KILL.effective(before)
    stop(sleeper)
    PAUSE.undo(before)
    time.sleep(0.05)
    assert state_of(sleeper.pid) == "T", "another process was continued"


def test_a_process_of_another_boot_is_never_hit(sleeper):
    other = {**data(sleeper), "boot": "00000000-0000-0000-0000-000000000000"}
    stop(sleeper)
    PAUSE.undo(other)
    time.sleep(0.05)
    assert state_of(sleeper.pid) == "T"


def test_what_is_gone_needs_no_undo():
    gone = ended()
    PAUSE.undo(data_of(gone))
    with pytest.raises(Refused, match="ended before it could be paused"):
        PAUSE.inject(data_of(gone))


@pytest.mark.parametrize(("name", "number"), [("SIGKILL", 9), ("term", 15), ("SIGINT", 2)])
def test_kill_ends_a_process_by_the_signal_that_was_named(sleeper, name, number):
    pinned = pin_of(kill)(pid=sleeper.pid, signal=name)
    KILL.inject(pinned.data)
    assert abs(sleeper.wait(5)) in {number, 1}  # Python turns SIGINT into exit code 1
    assert KILL.effective(pinned.data)


@pytest.mark.parametrize("name", ["SIGSTOP", "SIGCONT", "9", "KILLL", ""])
def test_kill_takes_only_signals_that_end_a_process(sleeper, name):
    with pytest.raises(BadUsage, match="is none of SIGKILL, SIGTERM"):
        pin_of(kill)(pid=sleeper.pid, signal=name)


@pytest.mark.parametrize("ttl", ["0s", "-1s", "soon", "60"])
def test_a_time_to_live_that_makes_no_sense_is_told(sleeper, ttl):
    with pytest.raises(BadUsage, match="^ttl: "):
        pin_of(pause)(pid=sleeper.pid, ttl=ttl)
