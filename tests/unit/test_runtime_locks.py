"""One run per target."""

import json
import os
import subprocess
import sys

import pytest

from chaoslab.core.errors import Refused
from chaoslab.runtime import locks
from chaoslab.runtime.identity import ProcessIdentity, boot_id, identify, myself, state_of
from chaoslab.runtime.locks import TargetLock


def lock_file(state):
    return next((state / "locks").iterdir())


def write_holder(state, **changes):
    holder = json.loads(lock_file(state).read_text()) | changes
    lock_file(state).write_text(json.dumps(holder))


def test_a_second_run_is_refused_while_the_first_lives(tmp_path):
    TargetLock(tmp_path, "db").acquire("run-1")
    with pytest.raises(Refused, match="run run-1 .* is working on db"):
        TargetLock(tmp_path, "db").acquire("run-2")
    TargetLock(tmp_path, "another").acquire("run-2")


def test_a_released_target_is_free(tmp_path):
    lock = TargetLock(tmp_path, "db")
    lock.acquire("run-1")
    assert lock.holder() == "run-1"
    lock.release("somebody else")
    assert lock.holder() == "run-1"
    lock.release("run-1")
    assert lock.holder() is None
    TargetLock(tmp_path, "db").acquire("run-2")


def test_the_lock_of_a_dead_run_is_stale(tmp_path):
    script = (
        "from pathlib import Path; from chaoslab.runtime.locks import TargetLock;"
        f"TargetLock(Path({str(tmp_path)!r}), 'db').acquire('dead')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert "dead" in lock_file(tmp_path).read_text()
    TargetLock(tmp_path, "db").acquire("run-2")


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}], ids=["pid reused", "machine rebooted"])
def test_a_pid_alone_proves_nothing(tmp_path, change):
    TargetLock(tmp_path, "db").acquire("run-1")
    write_holder(tmp_path, **change)
    TargetLock(tmp_path, "db").acquire("run-2")


def test_a_torn_lock_file_is_nobodys(tmp_path):
    TargetLock(tmp_path, "db").acquire("run-1")
    lock_file(tmp_path).write_text('{"run": "run-1", "pi')
    TargetLock(tmp_path, "db").acquire("run-2")


def test_this_process_is_alive_and_nobody_else_is_it():
    assert myself().is_alive()
    assert identify(os.getpid()) == myself()
    assert not ProcessIdentity(os.getpid(), 1, boot_id()).is_alive()


def test_a_zombie_is_not_alive():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    identity = identify(child.pid)
    assert identity is not None
    assert state_of(child.pid) == "Z"
    assert not identity.is_alive()
    child.wait()
    assert state_of(child.pid) == ""
    assert identify(child.pid) is None


def test_a_process_that_was_stopped_with_the_file_in_its_hand_does_not_hang_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_WITHIN_S", 0.1)
    lock = TargetLock(tmp_path, "db")
    with lock._file(), pytest.raises(Refused, match="held up"):
        TargetLock(tmp_path, "db").acquire("run-2")
