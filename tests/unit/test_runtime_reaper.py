"""Kill the runner in every way there is: no fault may outlive it."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "support"))
import filefault

from chaoslab.core.record import record_of
from chaoslab.core.verdict import judge
from chaoslab.runtime.residue import open_runs, undo_runs
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session

SUPPORT = Path(__file__).parent / "support"


@contextmanager
def victim(folder, *, ttl_s=60.0, how="well"):
    environment = os.environ | {"XDG_STATE_HOME": str(folder), "PYTHONPATH": str(SUPPORT)}
    runner = subprocess.Popen(
        [sys.executable, SUPPORT / "victim.py", folder, str(ttl_s), how],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"injected\n"
        assert (folder / "first").exists()
        assert (folder / "second").exists()
        yield runner
    finally:
        runner.kill()
        runner.wait()
        runner.stdout.close()


def clean(folder):
    return not (folder / "first").exists() and not (folder / "second").exists()


def record(folder):
    return record_of(read_events(folder / "run" / "events.jsonl"))


def state(folder):
    return folder / "chaoslab"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGSEGV, signal.SIGQUIT])
def test_however_the_runner_dies_its_faults_go_with_it(tmp_path, number):
    with victim(tmp_path) as runner:
        runner.send_signal(number)
        runner.wait()
        until(lambda: clean(tmp_path))
        until(lambda: not list((state(tmp_path) / "ledger").iterdir()))  # by the reaper: who looks removes it as well
        assert open_runs(state(tmp_path)) == []
    told = record(tmp_path)
    assert told.interruption == "the runner died"
    assert [fault.undone_by for fault in told.faults] == ["reaper", "reaper"]
    assert told.faults[1].undone_s <= told.faults[0].undone_s, "newest first"
    assert (judge(told).outcome, judge(told).exit_code) == ("interrupted", 137)


def test_a_time_to_live_holds_even_while_the_runner_is_stopped(tmp_path):
    with victim(tmp_path, ttl_s=0.5) as runner:
        runner.send_signal(signal.SIGSTOP)
        until(lambda: clean(tmp_path))
        until(lambda: all(fault.undone_by == "reaper" for fault in record(tmp_path).faults))
        assert runner.poll() is None


def test_the_reaper_tries_again_what_could_not_be_undone_at_first(tmp_path):
    with victim(tmp_path, how="until-repaired") as runner:
        runner.kill()
        runner.wait()
        until(lambda: any(fault.error for fault in record(tmp_path).faults))
        for name in ("first", "second"):
            (tmp_path / f"{name}.repaired").touch()
        until(lambda: clean(tmp_path))
        until(lambda: judge(record(tmp_path)).exit_code == 137)


def test_a_reaper_that_hears_of_many_faults_opens_nothing_for_good(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    session = Session("many", tmp_path / "run", state=tmp_path / "state")
    session.start({"id": "many"})
    try:
        filefault.make(str(tmp_path / "first"))
        opened = Path(f"/proc/{session._reaper._process.pid}/fd")
        before = len(list(opened.iterdir()))
        for _ in range(20):
            filefault.make(str(tmp_path / "again"))
            session.undo("make")
        until(lambda: len(list(opened.iterdir())) <= before)
    finally:
        session.close("completed")


def test_what_an_undo_would_take_its_time_to_load_is_loaded_before(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    session = Session("heavy", tmp_path / "run", state=tmp_path / "state")
    session.start({"id": "heavy"})
    try:
        filefault.make(str(tmp_path / "first"))
        mapped = Path(f"/proc/{session._reaper._process.pid}/maps")
        assert "_sqlite3" not in mapped.read_text()
        filefault.heavy(str(tmp_path / "file"))
        until(lambda: "_sqlite3" in mapped.read_text())
    finally:
        session.close("completed")


def kill_reaper(runner):
    """Kill the reaper of a runner that stands still, and so cannot replace it."""
    runner.send_signal(signal.SIGSTOP)
    children = Path(f"/proc/{runner.pid}/task/{runner.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)


def residue_of_each_run(tmp_path, **how):
    return [left for _, left in undo_runs(state(tmp_path), **how)]


def test_when_the_reaper_is_killed_too_the_ledger_still_knows(tmp_path):
    with victim(tmp_path) as runner:
        kill_reaper(runner)
        runner.kill()
        runner.wait()
        [left] = open_runs(state(tmp_path))
        assert not left.alive
        assert len(left.entries) == 2
        assert judge(record(tmp_path)).exit_code == 13
        assert residue_of_each_run(tmp_path) == [[]]
        assert clean(tmp_path)
        assert open_runs(state(tmp_path)) == []
        assert {fault.undone_by for fault in record(tmp_path).faults} == {"undo"}


def test_undo_leaves_a_run_in_progress_alone_unless_told(tmp_path):
    with victim(tmp_path):
        [run] = open_runs(state(tmp_path))
        assert run.alive
        assert residue_of_each_run(tmp_path) == [None]
        assert (tmp_path / "first").exists()
        assert residue_of_each_run(tmp_path, even_alive=True) == [[]]
        assert clean(tmp_path)


def test_what_cannot_be_undone_is_told_and_can_be_undone_later(tmp_path):
    with victim(tmp_path, how="until-repaired") as runner:
        kill_reaper(runner)
        runner.kill()
        runner.wait()
        [residue] = residue_of_each_run(tmp_path)
        assert {entry.target for entry in residue} == {str(tmp_path / "first"), str(tmp_path / "second")}
        for name in ("first", "second"):
            (tmp_path / f"{name}.repaired").touch()
        assert residue_of_each_run(tmp_path) == [[]]


def test_a_run_folder_that_is_gone_keeps_no_fault_alive(tmp_path):
    with victim(tmp_path) as runner:
        (tmp_path / "run" / "events.jsonl").unlink()
        (tmp_path / "run").rmdir()
        runner.kill()
        runner.wait()
        until(lambda: clean(tmp_path))
