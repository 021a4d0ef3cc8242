"""The ledger is what remains when everything else is dead."""

import contextlib
import json
import multiprocessing
import os
import resource
import time

import pytest

from chaoslab.core.errors import Refused
from chaoslab.runtime.ledger import UndoLedger, ledgers


@pytest.fixture
def ledger(tmp_path):
    made = UndoLedger.create(tmp_path, run_id="run-1", folder=tmp_path / "run")
    yield made
    made.close()


def intend(ledger, name="process.pause", **data):
    return ledger.intend(
        name=name, target="process 1", role="fault", undo="some.module:pause", data=data, expires_mono_s=10.0
    )


def test_an_entry_goes_from_intended_to_undone(ledger):
    entry = intend(ledger, pid=7)
    assert [e.state for e in ledger.entries()] == ["intended"]
    ledger.injected(entry.number)
    assert [e.state for e in ledger.entries()] == ["injected"]
    ledger.undone(entry.number, "run")
    assert [e.state for e in ledger.entries()] == ["undone"]
    assert ledger.open_entries() == []


def test_what_is_open_comes_newest_first_with_its_data(ledger):
    intend(ledger, "a", pid=1)
    second = intend(ledger, "b", pid=2)
    third = intend(ledger, "c", pid=3)
    ledger.undone(second.number, "run")
    assert [(e.name, dict(e.data)) for e in ledger.open_entries()] == [("c", {"pid": 3}), ("a", {"pid": 1})]
    assert third.number == 3


def test_a_failed_undo_stays_open_and_says_why(ledger):
    entry = intend(ledger)
    ledger.failed(entry.number, "run", "no route to host")
    assert [(e.state, e.error) for e in ledger.open_entries()] == [("intended", "no route to host")]


def test_intent_is_on_the_disk_before_the_call_returns(ledger, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.fstat(file).st_size), real(file)))
    intend(ledger)
    assert synced == [ledger.path.stat().st_size]


@contextlib.contextmanager
def room(size):
    """Let no file grow beyond a size, for so short a time that pytest writes nothing meanwhile."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_what_cannot_be_written_down_is_refused_by_its_file(ledger, tmp_path):
    refused = f"ledger: cannot write {tmp_path}.*: File too large; nothing more is injected"
    with pytest.raises(Refused, match=refused) as told, room(ledger.path.stat().st_size):
        intend(ledger)
    assert str(ledger.path) in str(told.value)
    assert ledger.open_entries() == []
    with pytest.raises(Refused, match=refused), room(8):
        UndoLedger.create(tmp_path, run_id="run-2", folder=tmp_path)
    assert [found.path for found in ledgers(tmp_path)] == [ledger.path]


def test_a_torn_last_line_is_no_entry_and_the_next_line_is_whole(ledger):
    intend(ledger, "whole")
    with ledger.path.open("a") as file:
        file.write('{"kind": "intended", "number": 2, "name": "torn')
    assert [e.name for e in ledger.entries()] == ["whole"]
    intend(ledger, "next")
    assert [e.name for e in ledger.entries()] == ["whole", "next"]


def test_a_ledger_with_nothing_open_is_removed_and_one_with_residue_stays(tmp_path):
    clean = UndoLedger.create(tmp_path, run_id="clean", folder=tmp_path)
    clean.undone(intend(clean).number, "run")
    dirty = UndoLedger.create(tmp_path, run_id="dirty", folder=tmp_path)
    intend(dirty)
    clean.close()
    dirty.close()
    dirty.close()
    found = list(ledgers(tmp_path))
    assert [ledger.header()["run"] for ledger in found] == ["dirty"]
    for ledger in found:
        ledger.close()


def test_a_ledger_of_a_later_version_is_not_guessed_at(ledger):
    lines = ledger.path.read_text().splitlines()
    intend(ledger)
    first = json.loads(lines[0]) | {"version": 99}
    ledger.path.write_text(json.dumps(first) + "\n" + ledger.path.read_text().splitlines()[1] + "\n")
    again = UndoLedger(ledger.path)
    assert again.entries() == []
    [told] = again.illegible()
    assert f"{ledger.path}:1: it was written by version 99" in told
    again.close()
    assert ledger.path.exists()
    ledger.path.write_text(lines[0] + "\n")


def test_the_file_is_private(ledger):
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700


def _hold(path, held, release) -> None:
    ledger = UndoLedger(path)
    with ledger.exclusive():
        held.set()
        release.wait(120)


def test_a_holder_that_hangs_does_not_keep_the_others_out_for_ever(ledger):
    context = multiprocessing.get_context("forkserver")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(ledger.path, held, release))
    holder.start()
    try:
        assert held.wait(120)
        begun = time.monotonic()
        with ledger.exclusive(within_s=0.2) as owned:
            assert not owned
        assert time.monotonic() - begun >= 0.2
    finally:
        release.set()
        holder.join()
    with ledger.exclusive(within_s=60.0) as owned:
        assert owned
