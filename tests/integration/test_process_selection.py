"""A process is found by what it is; nobody and several are refused, and what must live is never hit."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import until

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.process.actions import kill, pause
from chaoslab.process.selection import Selector, candidates, pin_all
from chaoslab.process.supervised import restart
from chaoslab.process.units import main_process
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.identity import identify

SLEEPER = "import sys, time; print('on', flush=True); time.sleep(60)"


@contextmanager
def running(*words, program=sys.executable, code=SLEEPER, **options):
    process = subprocess.Popen([program, "-c", code, *words], stdout=subprocess.PIPE, **options)
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def mark(tmp_path):
    """A word that no other command line on this machine has."""
    return f"chaoslab-test-{tmp_path.name}-{os.getpid()}"


def found(**selector):
    return [process.pid for process in pin_all(Selector(**selector), database=False)]


def test_by_command_line(mark):
    with running(mark) as process:
        assert found(command=mark) == [process.pid]
        assert found(command=f"{mark}$", user=str(os.getuid())) == [process.pid]


def test_by_name_with_user(tmp_path):
    program = tmp_path / "an-uncommonly-long-name"
    shutil.copy(shutil.which("sleep"), program)
    process = subprocess.Popen([program, "60"])
    try:
        while Path(f"/proc/{process.pid}/comm").read_text() != "an-uncommonly-l\n":
            time.sleep(0.01)
        for name in (program.name, "an-uncommonly-l"):
            assert found(name=name) == [process.pid]
            assert found(name=name, user=str(os.getuid())) == [process.pid]
        with pytest.raises(Refused, match="there is no process with name an-uncommonly-long-namesake"):
            found(name="an-uncommonly-long-namesake")
        with pytest.raises(Refused, match="there is no process with name .*, user 54321"):
            found(name=program.name, user="54321")
        with pytest.raises(Refused, match="there is no user nobody-at-all"):
            found(name=program.name, user="nobody-at-all")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("family", "kind", "address", "protocol"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1", "tcp"),
        (socket.AF_INET6, socket.SOCK_STREAM, "::1", "tcp"),
        (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1", "udp"),
        (socket.AF_INET6, socket.SOCK_DGRAM, "::1", "udp"),
    ],
)
def test_by_port(mark, family, kind, address, protocol):
    code = (
        "import socket, sys, time\n"
        f"s = socket.socket({int(family)}, {int(kind)}); s.bind(({address!r}, 0))\n"
        f"{'s.listen()' if kind == socket.SOCK_STREAM else ''}\n"
        "print(s.getsockname()[1], flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, mark], stdout=subprocess.PIPE)
    try:
        port = int(process.stdout.readline())
        assert found(port=f"{protocol}:{port}") == [process.pid]
        assert found(port=f"{protocol}:{port}", command=mark) == [process.pid]
        other = "udp" if protocol == "tcp" else "tcp"
        with pytest.raises(Refused, match=f"there is no process with port {other}:{port}"):
            found(port=f"{other}:{port}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_client_of_a_port_does_not_listen_on_it(mark):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), pytest.raises(Refused, match="is the run itself"):
            found(port=str(port))


@pytest.fixture
def cgroup():
    """A cgroup of our own, in whichever hierarchy lets us make one."""
    roots = [Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
    for root in roots:
        if (root / "cgroup.procs").exists() and os.access(root, os.W_OK):
            break
    else:
        pytest.skip("no cgroup can be made here")
    folder = root / f"chaoslab-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    until(lambda: (folder / "cgroup.procs").read_text() == "", "it is empty")
    folder.rmdir()


def test_by_cgroup(cgroup, mark):
    with running(mark) as first, running(mark) as second:
        for process in (first, second):
            (cgroup / "cgroup.procs").write_text(str(process.pid))
        pids = [first.pid, second.pid]
        for path in (str(cgroup), f"/{cgroup.name}", cgroup.name):
            assert sorted(found(cgroup=path, which="all")) == sorted(pids)
        with pytest.raises(Refused, match="2 processes fit cgroup"):
            found(cgroup=str(cgroup))
    with pytest.raises(Refused, match=f"there is no process with cgroup {cgroup}"):
        found(cgroup=str(cgroup), which="all")
    with pytest.raises(Refused, match="there is no cgroup /sys/fs/cgroup/pids/nothing"):
        found(cgroup="/sys/fs/cgroup/pids/nothing")


@pytest.mark.parametrize("path", ["/", "/sys/fs/cgroup", "/sys/fs/cgroup/"])
def test_the_cgroup_of_everybody_is_never_meant(path):
    with pytest.raises(BadUsage, match="holds every process; name one below it"):
        found(cgroup=path, which="all")


def test_a_cgroup_that_holds_the_run_is_refused():
    own = next(line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines())
    if own == "/":
        pytest.skip("the run is in the cgroup of everybody")
    with pytest.raises(Refused, match="the run itself|from which the run was started|first process"):
        found(cgroup=own, which="all")


def test_several_are_listed_and_never_hit_unless_it_is_said_which(mark):
    with running(mark) as first:
        time.sleep(0.05)  # so that one is older, in clock ticks
        with running(mark) as second, running(mark) as third:
            pids = sorted((first.pid, second.pid, third.pid))
            with pytest.raises(Refused) as refused:
                found(command=mark)
            assert f"3 processes fit command {mark}" in refused.value.reason
            assert all(f"{pid} (python" in refused.value.reason for pid in pids)
            assert sorted(found(command=mark, which="all")) == pids
            assert found(command=mark, which="oldest") == [first.pid]
            assert found(command=mark, which="newest") in ([second.pid], [third.pid])
            assert len(found(command=mark, which="2")) == len(found(command=mark, which="70%")) == 2
            assert found(command=mark, which=1) == [first.pid]
            with pytest.raises(Refused, match="4 are meant, and only 3 processes fit"):
                found(command=mark, which="4")
            drawn = [found(command=mark, which=f"random {seed}") for seed in range(20)]
            assert {pid for [pid] in drawn} == set(pids)
            assert drawn == [found(command=mark, which=f"random {seed}") for seed in range(20)]
            for wrong in ("0", "-1", "some", "1.5", "random", "random x"):
                with pytest.raises(BadUsage, match="is none of these: oldest, newest, all, a number"):
                    found(command=mark, which=wrong)


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ({}, "give either pid_file or pid or unit"),
        ({"pid": 5, "name": "x"}, "give either pid_file or pid or unit"),
        ({"unit": "x", "pid_file": "/x"}, "give either pid_file or pid or unit"),
        ({"user": "root"}, "alone it would mean all that somebody runs"),
        ({"pid": 5, "which": "all"}, "which: pid names one process"),
        ({"command": "("}, "is no regular expression"),
        ({"command": ".*"}, "fits everything"),
        ({"port": "0"}, "is no port"),
        ({"port": "65536"}, "is no port"),
        ({"port": "sctp:5"}, "is no port"),
    ],
)
def test_what_makes_no_sense_is_told(selector, told):
    with pytest.raises(BadUsage, match=told):
        found(**selector)


def test_who_looks_for_a_command_line_does_not_find_itself():
    assert os.getpid() not in [process.pid for process in candidates(Selector(command="pytest"))]
    assert os.getppid() not in [process.pid for process in candidates(Selector(command="."))]


def test_a_unit_needs_systemd():
    if Path("/run/systemd/system").is_dir():
        with pytest.raises(Refused, match="systemd knows no unit nothing-at-all.service"):
            main_process("nothing-at-all.service")
    else:
        with pytest.raises(Refused, match="systemd does not run here"):
            pin_of(pause)(unit="cron.service")


@pytest.mark.parametrize("action", [kill, pause, restart])
def test_a_database_server_is_refused_unless_it_is_meant(tmp_path, mark, action):
    """Its name is enough; whoever kills one by name has to say that he knows what that is."""
    program = tmp_path / "postgres"
    shutil.copy(shutil.which("sleep"), program)
    process = subprocess.Popen([program, "60.125"])
    try:
        until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "postgres\n", "it is itself")
        with pytest.raises(Refused, match=r"belongs to a database server.*say `database: yes`"):
            pin_of(action)(command=f"{program} 60.125")
        assert pin_of(action)(command=f"{program} 60.125", database="yes").target.endswith("(postgres)")
    finally:
        process.kill()
        process.wait()


def test_a_database_server_below_the_one_that_is_meant_is_refused_too(tmp_path, mark):
    program = tmp_path / "mysqld"
    shutil.copy(shutil.which("sleep"), program)
    code = f"import subprocess; p = subprocess.Popen([{str(program)!r}, '60']); print('on', flush=True); p.wait()"
    with running(mark, code=code) as parent:
        assert pin_of(kill)(pid=parent.pid)
        try:
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
            until(lambda: children.read_text(), "it has a child")
            child = int(children.read_text())
            until(lambda: Path(f"/proc/{child}/comm").read_text() == "mysqld\n", "it is itself")
            with pytest.raises(Refused, match=r"\(mysqld\) belongs to a database server"):
                pin_of(kill)(pid=parent.pid, tree="yes")
        finally:
            os.kill(child, signal.SIGKILL)


def test_the_plan_says_who_is_meant(mark):
    with running(mark) as process:
        pinned = pin_of(kill)(command=mark)
        assert pinned.target.startswith(f"process {process.pid} (python")
        assert pinned.data["processes"][0]["started"] == identify(process.pid).started
