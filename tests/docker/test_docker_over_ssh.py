"""A daemon over SSH, as Docker's own client reaches it: every connection has a deadline, and ends with us."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conformance import kill_with_its_reaper
from elsewhere import Runner, daemon_elsewhere, free_port
from process_table import processes_with
from waiting import until

from chaoslab.docker.actions import pause
from chaoslab.docker.client import DaemonGone, connect, talking
from chaoslab.docker.volumes import fill_volume
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.residue import open_runs, undo_runs

TALKS_FOR_EVER = """
import sys, time
from chaoslab.docker.client import connect
client = connect(sys.argv[1])
print("there", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def there():
    with daemon_elsewhere() as made, made.ssh.is_known():
        yield made


@pytest.fixture
def target(there):
    made = there.run(["sleep", "3600"], init=True, tmpfs={"/data": "size=8m"})
    yield made
    made.remove(force=True)


def is_paused(container):
    container.reload()
    return container.attrs["State"]["Paused"]


def ways_to(there):
    """Return the processes that connect us with the daemon."""
    return processes_with("-p", str(there.ssh.port))


def with_children(pid):
    """Return a process, its children, and theirs."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from with_children(int(child))


@contextlib.contextmanager
def silent(there):
    """Have its server of SSH answer nobody, those neither who are connected, as when the network is gone."""
    [server] = processes_with(f"sshd: /usr/sbin/sshd -f {there.ssh.folder}/sshd_config")
    stopped = list(with_children(server))
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_its_watchdog_undoes_when_run_and_reaper_are_gone(there, target, tmp_path):
    before = there.names()
    words = {"container": target.name, "docker": there.ssh.address, "ttl": "4s"}
    with Runner(pause, words).runner(tmp_path, target) as process:
        kill_with_its_reaper(process)
    assert is_paused(target)
    until(lambda: not is_paused(target), "the watchdog has undone it")
    until(lambda: there.names() == before, "the watchdog has gone")
    until(lambda: not ways_to(there), "no ssh is left")
    [left] = open_runs(tmp_path / "state")
    assert len(left.entries) == 1
    assert [left for _, left in undo_runs(tmp_path / "state")] == [[]]


def test_the_reaper_finds_its_way_too(there, target, tmp_path):
    words = {"container": target.name, "docker": there.ssh.address, "ttl": "10m"}
    with Runner(pause, words).runner(tmp_path, target) as process:
        process.stdout.readline()
        assert is_paused(target)
        process.kill()
    until(lambda: not is_paused(target), "the reaper has undone it")


def test_what_is_done_in_a_container_goes_there_and_back(there, target, session):
    fill_volume(target.name, "/data", size="2MiB", floor="1MiB", docker=there.ssh.address)
    assert target.exec_run(["sh", "-c", "ls -A /data"]).output
    assert session.undo() == []
    assert not target.exec_run(["sh", "-c", "ls -A /data"]).output


def test_many_questions_take_one_connection(there):
    with talking(there.ssh.address) as client:
        for _ in range(3):
            client.info()
            client.containers.list(all=True)
        assert len(ways_to(there)) == 1
    until(lambda: not ways_to(there), "it was closed with its client")


def test_a_killed_process_leaves_no_connection(there):
    words = [sys.executable, "-c", TALKS_FOR_EVER, there.ssh.address]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "there\n"
        assert ways_to(there)
        process.kill()
    until(lambda: not ways_to(there), "no ssh is left")


def test_a_daemon_that_falls_silent_is_residue_until_it_answers_again(there, target, session):
    pause(target.name, docker=there.ssh.address)
    with silent(there):
        assert len(session.undo()) == 1
    assert is_paused(target)
    assert session.undo() == []
    assert not is_paused(target)


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(there):
    gone = pytest.raises(DaemonGone, match="stopped answering")
    with gone, talking(there.ssh.address, timeout_s=2) as client, silent(there):
        client.info()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/run/docker.sock", ""),
        ("/run/nothing.sock", "dial unix /run/nothing.sock: connect: no such file or directory"),
    ],
)
def test_its_socket_can_be_named(there, path, told):
    if not told:
        connect(there.ssh.address + path).close()
        return
    with pytest.raises(DaemonGone, match=told):
        connect(there.ssh.address + path)


def test_who_must_not_come_in_is_told_so_and_asked_nothing(there, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(os.pathsep)[2])
    with pytest.raises(DaemonGone, match="Host key verification failed|Permission denied"):
        pin_of(pause)("any", docker=there.ssh.address)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ssh://", "write ssh://"),
        ("ssh://host:99999", "write ssh://"),
        ("ssh://[::1", "write ssh://"),
        ("ssh://host?key=x", "write ssh://"),
        ("ssh://-oProxyCommand=x", "write ssh://"),
        ("ssh://root:hidden@host", "ssh takes no password"),
        (f"ssh://127.0.0.1:{free_port()}", "Connection refused"),
    ],
)
def test_what_leads_nowhere_is_refused(address, told):
    with pytest.raises(DaemonGone, match=told) as refused:
        pin_of(pause)("any", docker=address)
    assert "hidden" not in str(refused.value)
