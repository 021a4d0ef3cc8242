"""A lab of its own for this lane, and the experiments as a person runs them."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from catalog_runs import COMMAND, usual_lab

import chaoslab.lab
from chaoslab.lab.redis_server import is_installed

ATTEMPTS = 5
NICEST = 19
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def lab(binaries, passable_root):
    """A small lab, the usual one while the tests run."""
    with usual_lab(passable_root / "twins", databases=2) as made:
        yield made


def status_at(url):
    """Return the status of an answer, or None without one."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.fixture
def starved(lab):
    """Start a twin that gets what others leave of the processor, as a pod does that asks for none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "chaoslab.lab.service", "--fragile", "--listen", listen]
    environment = os.environ | {"DATABASE_URL": lab["service"]["dsn"]}
    with least_share() as join:
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            join(process.pid)
            until(lambda: status_at(f"http://{listen}/actuator/health") == 200)
            yield f"http://{listen}"
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def least_share():
    """Lend a function that gives a process the least share of the processor that there is, as such a pod has."""
    group = group_of_least_share()
    if group is None:
        yield be_nice
        return
    try:
        yield lambda pid: (group / "cgroup.procs").write_text(str(pid))
    finally:
        until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def group_of_least_share():
    """Make a control group, of either version; return None where that is not possible."""
    for root, file, least in (("/sys/fs/cgroup/cpu", "cpu.shares", "2"), ("/sys/fs/cgroup", "cpu.weight", "1")):
        group = Path(root, f"chaoslab-twin-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(least)
        except OSError:
            group.rmdir()
        else:
            return group
    return None


def be_nice(pid):
    """Have a process give way to others, where nobody may make a control group."""
    os.setpriority(os.PRIO_PROCESS, pid, NICEST)
    with contextlib.suppress(OSError):  # where the kernel weighs sessions against each other, that is not enough
        Path(f"/proc/{pid}/autogroup").write_text(str(NICEST))


def until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def well(lab):
    """Both services as they should be, before a test and after it."""

    def wait():
        if status_at(lab["twin"]["metrics"]) is None:
            chaoslab.lab.start(databases=2, size_mb=2)  # nobody else starts a twin again
        pages = [lab[name]["health"] for name in ("service", "twin")]
        until(lambda: [status_at(page) for page in pages] == [200, 200])

    wait()
    yield
    wait()


@pytest.fixture
def run(lab, well, tmp_path, monkeypatch):
    """Run an experiment of the catalog by its name; return its exit code, its report, and what was said."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))

    def one(name, *, retry_baseline=True, **variables):
        if "redis" in name and not is_installed():
            pytest.skip("redis-server is not installed")
        [file] = ROOT.glob(f"experiments/*/{name}.yaml")
        words = [word for key, value in variables.items() for word in ("--var", f"{key}={value}")]
        command = [*COMMAND, "run", "--json", "--reports", tmp_path / "reports", *words, file]
        for _ in range(ATTEMPTS):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path)
            report = json.loads(done.stdout or "{}")
            # The twin is slow by its nature, and on a machine that has no time not even well without a fault; and a
            # prober that stood still itself cannot say who was slow.
            well_before = report.get("hypothesis", {}).get("before") is not False
            in_doubt = ("prober-stalled", "unknown") in {(f["code"], f["severity"]) for f in report.get("findings", ())}
            if retry_baseline is False or (well_before and not (done.returncode == 11 and in_doubt)):
                break
        return done.returncode, report, done.stderr

    return one
