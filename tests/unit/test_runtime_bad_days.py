"""What the runtime keeps when the ground gives way: folders that go, machines that sleep, memory that is out."""

import os
import resource
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "support"))
import filefault

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.core.record import record_of
from chaoslab.runtime import claims
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.clock import SimulatedClock, SystemClock
from chaoslab.runtime.entry import TORN
from chaoslab.runtime.ledger import UndoLedger, ledgers
from chaoslab.runtime.locks import TargetLock
from chaoslab.runtime.residue import open_runs
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session, has_session
from chaoslab.runtime.undoing import expired


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Begin a session whose reaper knows the fault."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "support"))
    begun = []

    def begin(clock=None):
        session = Session("bad-day", tmp_path / "run", state=tmp_path / "state", clock=clock)
        session.start({"id": "bad-day"})
        begun.append(session)
        return session

    yield begin
    for session in begun:
        if has_session():
            session.close("completed")


def test_a_state_folder_that_is_removed_stops_the_injecting_and_keeps_nothing_from_being_undone(begin, tmp_path):
    session = begin()
    session.lock("box")
    filefault.make(str(tmp_path / "first"))
    shutil.rmtree(tmp_path / "state")
    with pytest.raises(Refused, match="was removed while the run is on; nothing more is injected"):
        filefault.make(str(tmp_path / "second"))
    assert not (tmp_path / "second").exists()
    assert session.close("completed") == []
    assert not (tmp_path / "first").exists()


def test_a_time_to_live_goes_on_while_the_machine_sleeps(tmp_path):
    clock = SimulatedClock()
    ledger = UndoLedger.create(tmp_path, run_id="sleeper", folder=tmp_path)
    entry = ledger.intend(
        name="a",
        target="",
        role="fault",
        undo="a:b",
        data={},
        expires_mono_s=clock.mono() + 60,
        expires_boot_s=clock.boot() + 60,
    )
    assert not expired(clock.mono(), clock.boot())(entry)
    clock.suspend(61)
    assert clock.mono() < entry.expires_mono_s
    assert expired(clock.mono(), clock.boot())(entry)
    ledger.close()


class SleepsSoon(SystemClock):
    """The clock of a runner after whose injection the machine sleeps for an hour."""

    def boot(self):
        return super().boot() - 3600.0


def test_the_reaper_undoes_at_once_what_was_over_while_the_machine_slept(begin, tmp_path):
    begin(SleepsSoon())
    filefault.make(str(tmp_path / "fault"), ttl_s=600.0)
    until(lambda: not (tmp_path / "fault").exists())
    told = lambda: record_of(read_events(tmp_path / "run" / "events.jsonl")).faults[0].undone_by  # noqa: E731
    until(lambda: told() == "reaper")


def test_the_reaper_undoes_again_what_was_injected_after_its_undo(begin, tmp_path, monkeypatch):
    session = begin(SleepsSoon())
    take = claims.take

    def take_late(entry, ledger, run_id):
        until(lambda: not session.open_entries())
        take(entry, ledger, run_id)

    monkeypatch.setattr(claims, "take", take_late)
    filefault.make(str(tmp_path / "fault"), ttl_s=600.0)
    until(lambda: not (tmp_path / "fault").exists())


def test_without_a_thread_to_be_had_it_is_undone_all_the_same(begin, tmp_path, monkeypatch):
    session = begin()
    filefault.make(str(tmp_path / "fault"))

    def no_thread(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        assert session.undo() == []
    assert not (tmp_path / "fault").exists()


def test_a_run_that_breaks_down_while_it_undoes_leaves_the_rest_to_its_reaper(begin, tmp_path, monkeypatch):
    session = begin()
    filefault.make(str(tmp_path / "fault"))

    def no_memory(wanted=None):
        raise MemoryError

    monkeypatch.setattr(session, "undo", no_memory)
    with pytest.raises(MemoryError):
        session.close("completed")
    # Whoever tells now what is left of the run reads what the reaper has written down.
    assert not (tmp_path / "fault").exists()
    assert list((tmp_path / "state" / "ledger").iterdir()) == []
    assert [fault.undone_by for fault in record_of(read_events(session.folder / "events.jsonl")).faults] == ["reaper"]


def test_a_ledger_whose_maker_was_killed_before_it_had_its_name_is_swept_away(tmp_path):
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "killed.new").write_text("{")
    assert list(ledgers(tmp_path)) == []
    assert list(folder.iterdir()) == []


def test_a_ledger_that_is_being_made_is_not_swept_away(tmp_path, monkeypatch):
    real = os.fsync

    def look(file):
        for ledger in ledgers(tmp_path):
            ledger.close(keep=True)
        real(file)

    monkeypatch.setattr(os, "fsync", look)
    UndoLedger.create(tmp_path, run_id="whole", folder=tmp_path).close(keep=True)
    [ledger] = ledgers(tmp_path)
    assert ledger.header()["run"] == "whole"
    ledger.close()


def test_a_ledger_that_was_cut_short_while_it_is_open_forgets_nothing(tmp_path):
    ledger = UndoLedger.create(tmp_path, run_id="cut", folder=tmp_path)
    intent = {"name": "a", "target": "", "role": "fault", "undo": "a:b", "expires_mono_s": 1.0}
    ledger.intend(data={"n": 1}, **intent)
    assert len(ledger.entries()) == 1
    ledger.path.write_text("")
    assert [entry.data for entry in ledger.entries()] == [{"n": 1}]
    assert ledger.intend(data={"n": 2}, **intent).number == 2
    ledger.close()


def test_what_a_torn_line_leaves_is_marked_so_that_nobody_misses_it(tmp_path):
    ledger = UndoLedger.create(tmp_path, run_id="torn", folder=tmp_path)
    with ledger.path.open("a") as file:
        file.write('{"kind": "intended", "number": 1, "na')
    entry = ledger.intend(name="a", target="", role="fault", undo="a:b", data={}, expires_mono_s=1.0)
    assert f'"na{TORN}\n' in ledger.path.read_text()
    assert ledger.illegible() == []
    ledger.undone(entry.number, "run")
    ledger.close()
    assert not ledger.path.exists()


@pytest.mark.parametrize("text", ["[]", '{"run": "r"}', "not json", "\0\0"])
def test_a_lock_that_is_damaged_is_held_by_nobody(tmp_path, text):
    lock = TargetLock(tmp_path, "box")
    lock.acquire("one")
    [file] = (tmp_path / "locks").iterdir()
    file.write_text(text)
    assert lock.holder() is None
    lock.acquire("two")
    assert lock.holder() == "two"


def test_a_time_to_live_has_a_limit_that_can_be_moved(monkeypatch):
    assert time_to_live("24h") == 86400.0
    with pytest.raises(
        BadUsage, match="ttl: 25h is longer than 24h, the longest allowed; CHAOSLAB_LONGEST_TTL changes"
    ):
        time_to_live("25h")
    monkeypatch.setenv("CHAOSLAB_LONGEST_TTL", "10m")
    with pytest.raises(BadUsage, match="ttl: 11m is longer than 10m"):
        time_to_live("11m")
    monkeypatch.setenv("CHAOSLAB_LONGEST_TTL", "much")
    with pytest.raises(BadUsage, match="CHAOSLAB_LONGEST_TTL: "):
        time_to_live("1m")


def test_a_reaper_that_is_killed_is_replaced_while_the_run_goes_on(begin, tmp_path):
    session = begin()
    filefault.make(str(tmp_path / "fault"), ttl_s=600.0)
    first = session._reaper._process.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: session._reaper.pid not in {0, first})
    assert Path(f"/proc/{session._reaper.pid}").exists()


def test_more_runs_left_something_than_files_may_be_open(tmp_path: Path) -> None:
    for number in range(40):
        ledger = UndoLedger.create(tmp_path, run_id=f"run-{number:02}", folder=tmp_path / "none")
        ledger.intend(name="x.y", target="one", role="fault", undo="no_such:one", data={}, expires_mono_s=1e18)
        ledger.close(keep=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, hard))
    try:
        runs = open_runs(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [(len(run.entries), run.illegible) for run in runs] == [(1, ())] * 40
