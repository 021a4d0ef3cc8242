"""A program that works for us does not outlive us, however we end."""

import shutil
import subprocess
import sys
import time

import pytest

from chaoslab.postgres.programs import tools
from chaoslab.postgres.programs.tools import running

STARTER = """
from chaoslab.postgres.programs.tools import running
with running(["sleep", "1000"]) as program:
    print(program.process.pid, flush=True)
    program.wait(1000)
"""


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(shutil.which(tools.WITH_US[0]) is None, reason="util-linux without setpriv")
def test_it_ends_when_the_process_is_killed_that_waits_for_it():
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    with starter:
        pid = int(starter.stdout.readline())
        assert is_alive(pid)
        starter.kill()
        starter.wait()
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline, "it goes on by itself"
        time.sleep(0.02)


def test_without_setpriv_it_runs_all_the_same(monkeypatch):
    monkeypatch.setattr(tools, "WITH_US", ("no-such-program",))
    with running(["true"]) as program:
        assert program.wait(60).status == 0
