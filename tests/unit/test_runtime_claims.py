"""A claim says whose a place is: no newer fault is injected over an open one, and no late undo ends a newer one."""

import fcntl
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from filefault import make

from chaoslab.core.errors import Refused
from chaoslab.runtime import claims
from chaoslab.runtime.ledger import UndoLedger
from chaoslab.runtime.residue import undo_runs
from chaoslab.runtime.session import Session, has_session
from chaoslab.runtime.undoing import Undoing


@pytest.fixture
def begin(tmp_path):
    """Begin a run with a state folder of its own; the last one that is left is closed."""
    made = []

    def start(name):
        made.append(Session(name, tmp_path / name, state=tmp_path / f"state-of-{name}"))
        made[-1].start({"id": name})
        return made[-1]

    yield start
    if has_session():
        made[-1].close("completed")


@pytest.fixture
def fault(tmp_path):
    return {"path": str(tmp_path / "fault")}


def ledger_of(session):
    [path] = (session.state / "ledger").iterdir()
    return path


def claim_of(session):
    [entry] = session.open_entries()
    [path] = entry.claims
    return Path(path)


def test_a_claim_lasts_as_long_as_its_fault(begin, fault):
    session = begin("one")
    make(**fault)
    claim = claim_of(session)
    assert '"run": "one"' in claim.read_text()
    session.undo()
    assert not claim.exists()


def test_where_an_open_fault_stands_no_other_run_strikes(begin, fault, tmp_path):
    older = begin("older")
    make(**fault)
    Path(fault["path"]).unlink()  # somebody has helped himself, and the ledger does not know
    newer = begin("newer")
    with pytest.raises(Refused, match=r"file\S*make of run older stands on .*, and is not undone .*chaoslab undo"):
        make(**fault)
    assert not Path(fault["path"]).exists()
    assert newer.close("completed") == []
    assert older.undo() == []


def test_what_a_ledger_claims_that_is_gone_is_free(begin, fault):
    older = begin("older")
    make(**fault)
    ledger_of(older).unlink()
    newer = begin("newer")
    make(**fault)
    assert newer.close("completed") == []
    assert not Path(fault["path"]).exists()


def test_an_undo_without_its_claim_is_done_as_ever(begin, fault):
    session = begin("one")
    make(**fault)
    claim_of(session).unlink()  # as after the machine's next start
    assert session.close("completed") == []
    assert not Path(fault["path"]).exists()


def test_an_undo_under_way_that_does_not_end_keeps_newer_faults_away(begin, fault, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "_FREE_WITHIN_S", 0.1)
    monkeypatch.setattr(claims, "_UNDONE_WITHIN_S", 0.1)
    older = begin("older")
    make(**fault)
    claim = claim_of(older)
    stuck = os.open(claim, os.O_RDWR)  # as a reaper that was stopped in the midst of its undo
    fcntl.flock(stuck, fcntl.LOCK_EX)
    assert older.close("completed") == [], "the next one undoes all the same"
    assert not Path(fault["path"]).exists()
    newer = begin("newer")
    with pytest.raises(Refused, match=rf"an earlier undo on .* by process {os.getpid()} has not come to its end"):
        make(**fault)
    os.close(stuck)
    make(**fault)
    assert newer.close("completed") == []
    assert not claim.exists()


def test_a_late_undo_of_one_place_among_several_is_told_and_comes_after_the_newer_fault(begin, tmp_path):
    """Where claims were lost, an entry may be undone in part only: then it waits."""
    session = begin("older")
    make(path=str(tmp_path / "fault"))
    late = UndoLedger(Path(shutil.copy(ledger_of(session), tmp_path / "late.jsonl")))
    [entry] = late.open_entries()
    whole = replace(entry, claims=(*entry.claims, str(Path(entry.claims[0]).with_name("0" * 24))))
    Path(whole.claims[1]).write_text('{"token": "x", "ledger": "/none", "entry": 1, "run": "newer", "fault": "f"}')
    with pytest.raises(Exception, match="f of run newer stands there by now"), claims.undoing(whole):
        pass
    Path(whole.claims[1]).unlink()
    assert Undoing(late, "undo").undo() == []
    assert session.close("completed") == []


def test_undo_sweeps_away_what_killed_undos_have_left(begin, fault, tmp_path):
    session = begin("one")
    make(**fault)
    claim = claim_of(session)
    text = claim.read_text()
    assert session.close("completed") == []
    claim.write_text(text)
    assert list(undo_runs(tmp_path / "nothing")) == []
    assert not claim.exists()


def test_a_ledger_is_read_once_for_all_its_claims(begin, tmp_path, monkeypatch):
    session = begin("many")
    for number in range(5):
        make(path=str(tmp_path / str(number)))
    read = []
    monkeypatch.setattr(Path, "read_text", lambda self, **how: read.append(self) or self.read_bytes().decode(**how))
    claims.sweep(session.state)
    assert read.count(ledger_of(session)) == 1
    assert len({claim for entry in session.open_entries() for claim in entry.claims}) == 5
    assert all(Path(claim).exists() for entry in session.open_entries() for claim in entry.claims)
