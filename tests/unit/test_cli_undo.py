"""`chaoslab undo` on real ledgers that a killed runner left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent / "support"
LEAVES_A_FILE = """
import os, sys
from pathlib import Path
import filefault
from chaoslab.runtime import reaper
from chaoslab.runtime.session import Session

class NoReaper:
    def __init__(self, ledger): pass
    def ensure(self): pass
    def ledger_changed(self): pass

import chaoslab.runtime.session as module
module.Reaper = NoReaper  # what a machine leaves behind whose power went off
folder, name, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
session = Session(name, folder / name)
session.start({"id": name})
filefault.make(str(folder / (name + ".fault")), how=how)
if sys.argv[4] == "stay":
    print("injected", flush=True)
    sys.stdin.read()
os._exit(9)
"""


def environment(folder):
    return os.environ | {"XDG_STATE_HOME": str(folder), "PYTHONPATH": str(SUPPORT)}


def leave(folder, name, how="well"):
    command = [sys.executable, "-c", LEAVES_A_FILE, str(folder), name, how, "go"]
    subprocess.run(command, env=environment(folder), check=False, timeout=240)
    assert (folder / f"{name}.fault").exists()


def undo(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "chaoslab", "undo", *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_nothing_to_undo(tmp_path):
    done = undo(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to undo\n", "")


def test_what_was_left_behind_is_undone_and_told(tmp_path):
    leave(tmp_path, "first")
    leave(tmp_path, "second")
    done = undo(tmp_path)
    assert done.returncode == 0
    assert not list(tmp_path.glob("*.fault"))
    assert "run first" in done.stdout
    assert "run second" in done.stdout
    assert undo(tmp_path).stdout == "nothing to undo\n"


def test_one_run_only(tmp_path):
    leave(tmp_path, "first")
    leave(tmp_path, "second")
    done = undo(tmp_path, "--run", "second")
    assert done.returncode == 0
    assert "other runs left something behind: first; " in done.stderr
    assert [path.name for path in tmp_path.glob("*.fault")] == ["first.fault"]
    assert undo(tmp_path, "--run", "fist").stdout == "nothing to undo of that run\n"
    folder = undo(tmp_path, "--run", str(tmp_path / "first"))  # as the report names it; the id has a few letters more
    assert "run first" in folder.stdout
    assert not list(tmp_path.glob("*.fault"))


def test_as_data(tmp_path):
    leave(tmp_path, "first")
    told = json.loads(undo(tmp_path, "--json").stdout)
    assert [entry["run"] for entry in told["undone"]] == ["first"]
    assert told["undone"][0]["target"] == str(tmp_path / "first.fault")
    assert told["residue"] == told["in_progress"] == []


def test_what_cannot_be_undone_is_13_and_named(tmp_path):
    leave(tmp_path, "stuck", how="stuck")
    done = undo(tmp_path)
    assert done.returncode == 13
    assert "REMAINS" in done.stdout
    assert "not allowed to remove it" in done.stdout
    assert "call `chaoslab undo` again" in done.stderr
    told = json.loads(undo(tmp_path, "--json").stdout)
    assert [entry["name"] for entry in told["residue"]] == ["filefault.make"]


@pytest.mark.parametrize(("arguments", "left"), [((), True), (("--force",), False)])
def test_a_run_in_progress_is_left_alone_without_force(tmp_path, arguments, left):
    command = [sys.executable, "-c", LEAVES_A_FILE, str(tmp_path), "alive", "well", "stay"]
    with subprocess.Popen(command, env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"injected\n"
        done = undo(tmp_path, *arguments)
        assert done.returncode == 0
        assert (tmp_path / "alive.fault").exists() == left
        assert ("in progress" in done.stdout) == left
        runner.communicate()


def test_a_ledger_that_cannot_be_read_is_told(tmp_path):
    leave(tmp_path, "first")
    [ledger] = (tmp_path / "chaoslab/ledger").glob("*.jsonl")
    ledger.write_text("not json\n")
    done = undo(tmp_path)
    assert done.returncode == 13
    assert f"{ledger}:1: it is no JSON" in done.stdout
    assert len(done.stderr.splitlines()) == 1
