"""A session injects only what it can undo, and undoes all of it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
import filefault

from chaoslab.core.errors import Aborted, ChaoslabError, NoSession, Residue
from chaoslab.core.record import record_of
from chaoslab.runtime import actions
from chaoslab.runtime.fault import fault_of, pin_of, reference_of, resolve, short_name_of
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session, current, has_session


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(Path(filefault.__file__).parent))
    made = Session("run-1", tmp_path / "run")
    made.start({"id": "run-1"})
    yield made
    if has_session():
        made.close("completed")


def record(session):
    return record_of(read_events(session.log.path))


def test_without_a_session_nothing_is_touched(tmp_path):
    with pytest.raises(NoSession, match="nothing would undo"):
        filefault.make(str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_a_fault_is_on_until_the_session_closes(session, tmp_path):
    assert filefault.make(str(tmp_path / "x")) == "made"
    assert (tmp_path / "x").exists()
    assert session.close("completed") == []
    assert not (tmp_path / "x").exists()
    [fault] = record(session).faults
    assert (fault.name, fault.effective, fault.undone_by) == ("filefault.make", True, "run")
    assert fault.intended_s <= fault.injected_s <= fault.effective_s <= fault.undone_s
    assert not list((session.state / "ledger").iterdir())


def test_a_fault_that_breaks_half_way_is_undone_at_once(session, tmp_path):
    with pytest.raises(RuntimeError, match="in the middle"):
        filefault.make(str(tmp_path / "x"), how="half")
    assert not (tmp_path / "x").exists()
    assert session.open_entries() == []


def test_a_fault_without_effect_is_a_gap_in_the_evidence(session, tmp_path):
    filefault.make(str(tmp_path / "x"), how="toothless")
    session.close("completed")
    told = record(session)
    assert [(f.code, f.severity) for f in told.findings] == [("fault-without-effect", "unknown")]
    assert told.faults[0].effective is False


def test_a_momentary_fault_is_over_when_it_bit(session, tmp_path):
    filefault.flash(str(tmp_path / "x"))
    assert session.open_entries() == []


def test_undo_by_name_leaves_the_others_and_the_scratch_things(session, tmp_path):
    filefault.make(str(tmp_path / "x"))
    filefault.scratch(str(tmp_path / "s"))
    assert actions.undo("make") == {"undone": 1}
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "s").exists()
    assert actions.undo() == {"undone": 0}
    session.close("completed")
    assert not (tmp_path / "s").exists()


def test_what_cannot_be_undone_is_residue_and_its_ledger_stays(session, tmp_path):
    filefault.make(str(tmp_path / "x"), how="stuck")
    with pytest.raises(Residue, match="not allowed to remove it"):
        actions.undo()
    assert [entry.target for entry in session.close("completed")] == [str(tmp_path / "x")]
    assert len(list((session.state / "ledger").iterdir())) == 1
    assert record(session).residue[0].error == "PermissionError: not allowed to remove it"


def test_a_fault_whose_time_was_over_before_it_was_on_is_undone(session, tmp_path):
    filefault.make(str(tmp_path / "x"), ttl_s=0.0)
    assert not (tmp_path / "x").exists()


def test_an_abort_wakes_a_wait_and_forbids_the_next_fault(session, tmp_path):
    heard = []
    session.on_abort = heard.append
    session.abort("tripwire slow")
    session.abort("too late")
    with pytest.raises(Aborted, match="tripwire slow"):
        actions.wait("1h")
    with pytest.raises(Aborted):
        filefault.make(str(tmp_path / "x"))
    assert heard == ["tripwire slow"]
    assert session.aborting == "tripwire slow"
    assert not (tmp_path / "x").exists()


def test_marks_figures_findings_and_samples_reach_the_record(session):
    actions.mark("disaster")
    assert actions.wait("10ms") == {"waited_s": 0.01}
    session.figure("lost_s", (0.1, 0.4), "s")
    sampler = session.sampler("service")
    assert session.sampler("service") is sampler
    sampler.add(1.0, 0.1, True)
    sampler.add(2.0, 0.2, False, "503")
    assert sampler.last().note == "503"
    assert [s.at_s for s in sampler.since(1.5)] == [2.0]
    session.close("completed")
    told = record(session)
    assert set(told.marks) == {"disaster"}
    assert told.figures["lost_s"] == {"value": [0.1, 0.4], "unit": "s"}
    assert [(s.good, s.note) for s in told.samples["service"]] == [(True, ""), (False, "503")]
    assert told.ended
    assert not told.interruption


def test_closing_makes_room_for_the_next_session(session):
    session.lock("db")
    assert current() is session
    session.close("completed")
    assert not has_session()


def test_the_reaper_is_replaced_when_somebody_kills_it(session, tmp_path):
    filefault.make(str(tmp_path / "x"))
    first = session._reaper._process
    first.kill()
    first.wait()
    filefault.make(str(tmp_path / "y"))
    assert session._reaper._process.pid != first.pid


def test_the_names_under_which_a_fault_is_found_again():
    assert reference_of(filefault.make) == "filefault:make"
    assert short_name_of(filefault.make) == "filefault.make"
    assert resolve("filefault:make") is fault_of(filefault.make)
    assert pin_of(filefault.make)("p").target == "p"


@pytest.mark.parametrize("reference", ["no.such.module:x", "filefault:nothing", "pathlib:Path", "", "filefault"])
def test_an_undo_that_is_no_fault_is_not_called(reference):
    with pytest.raises(ChaoslabError, match=r"cannot (load the )?undo"):
        resolve(reference)


def test_a_broken_log_does_not_keep_a_fault_alive(session, tmp_path, monkeypatch):
    filefault.make(str(tmp_path / "x"))

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session.log, "append", full)
    with pytest.raises(OSError, match="No space"):
        session.close("completed")
    assert not (tmp_path / "x").exists()
    assert not has_session()


def test_a_part_is_written_down_and_progress_is_only_heard(session):
    heard = []
    session.log.listener = heard.append
    session.part("shop", "unknown", dump_s=1.0)
    session.part("shop", rows=3)
    session.progress("dump", 5, 10, "bytes", "shop")
    assert [event["kind"] for event in heard] == ["part", "part", "progress"]
    assert (heard[2]["done"], heard[2]["total"], heard[2]["note"]) == (5, 10, "shop")
    [part] = record(session).parts
    assert (part.name, part.outcome, part.figures) == ("shop", "ok", {"dump_s": 1.0, "rows": 3})
    assert "progress" not in [event["kind"] for event in read_events(session.log.path)]
