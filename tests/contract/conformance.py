"""What every fault must keep, whatever it breaks. A fault's test subclasses one of these and gives a live target.

    class TestPause(FaultConformance):
        action = staticmethod(pause)

        @pytest.fixture
        def target(self): ...                       # something alive that may be broken
        def arguments(self, target): ...            # of the action
        def is_hit(self, target): ...               # seen from outside, not by the fault's own probe
        def destroy(self, target): ...              # the target dies by itself

`MomentaryConformance` is for faults that are over as soon as they bit.
"""

import fcntl
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from one_strike import experiment
from waiting import PATIENCE_S, until

from chaoslab.core.errors import NoSession
from chaoslab.core.record import record_of
from chaoslab.core.units import parse_duration
from chaoslab.runtime.fault import fault_of, pin_of, reference_of
from chaoslab.runtime.ledger import UndoLedger
from chaoslab.runtime.residue import open_runs, undo_runs
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session, has_session
from chaoslab.runtime.undoing import Undoing

RUNNER = Path(__file__).parent / "support" / "contract_runner.py"
WRITES = ["ledger:intended", "ledger:injected", "log:fault-effective"]


class Conformance:
    """What holds for every fault."""

    action = None

    @pytest.fixture
    def target(self):
        raise NotImplementedError("give a live target")

    def arguments(self, target):
        raise NotImplementedError("say how the action is called for this target")

    def is_hit(self, target):
        raise NotImplementedError("look at the target from outside")

    def destroy(self, target):
        raise NotImplementedError("end the target, as if it died by itself")

    @pytest.fixture
    def session(self, tmp_path):
        made = Session("contract", tmp_path / "run", state=tmp_path / "state")
        made.start({"id": "contract"})
        yield made
        if has_session():
            made.close("completed")

    @property
    def fault(self):
        return fault_of(self.action)

    def pinned(self, target):
        return pin_of(self.action)(**self.arguments(target))

    def record(self, folder):
        return record_of(read_events(folder / "run" / "events.jsonl"))

    @contextmanager
    def runner(self, folder, target, *, die_after="", **arguments):
        """Strike in a process of its own."""
        order = {
            "folder": str(folder),
            "action": reference_of(self.action),
            "arguments": {**self.arguments(target), **arguments},
            "die_after": die_after,
        }
        process = subprocess.Popen([sys.executable, RUNNER, json.dumps(order)], stdout=subprocess.PIPE)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def assert_nothing_is_open(self, folder):
        """The reaper removes the ledger of a dead run when it holds nothing open any more."""
        until(lambda: not list((folder / "state" / "ledger").iterdir()), "the ledger is gone")
        assert open_runs(folder / "state") == []

    def test_its_description_says_whom_it_hits_and_how_it_ends(self):
        told = inspect.getdoc(self.action)
        for heading in ("Args:", "Blast radius:", "Undo:", "Effective when:", "Raises:"):
            assert heading in told

    def test_without_a_session_it_refuses_and_touches_nothing(self, target):
        with pytest.raises(NoSession):
            self.action(**self.arguments(target))
        assert not self.is_hit(target)

    def test_pinning_touches_nothing_and_its_data_is_json(self, target):
        pinned = self.pinned(target)
        assert json.loads(json.dumps(dict(pinned.data))) == pinned.data
        assert not self.is_hit(target)
        assert self.pinned(target) == pinned, "a plan made twice is the same plan"

    def test_inject_is_effective(self, target, session, tmp_path):
        assert not self.fault.effective(self.pinned(target).data)
        self.action(**self.arguments(target))
        assert self.is_hit(target)
        session.close("completed")
        [told] = self.record(tmp_path).faults
        assert told.effective is True
        assert told.intended_s <= told.injected_s <= told.effective_s

    def test_undo_without_inject_is_harmless(self, target):
        data = self.pinned(target).data
        self.fault.undo(data)
        self.fault.undo(data)
        assert not self.is_hit(target)

    def test_a_target_that_dies_under_the_fault_leaves_no_residue(self, target, session):
        self.action(**self.arguments(target))
        self.destroy(target)
        assert session.close("completed") == []

    @pytest.mark.parametrize("write", WRITES)
    def test_a_runner_killed_after_a_write_leaves_no_residue(self, target, tmp_path, write):
        with self.runner(tmp_path, target, die_after=write) as process:
            assert process.wait(PATIENCE_S) == -signal.SIGKILL
            self.assert_nothing_is_open(tmp_path)
        self.assert_healed(target)
        told = self.record(tmp_path)
        assert told.interruption == "the runner died"
        assert told.residue == ()

    def assert_healed(self, target):
        """Fail when the fault is still on."""
        raise NotImplementedError


class FaultConformance(Conformance):
    """What holds for a fault that stands until it is undone."""

    ttl = "2s"

    def assert_healed(self, target):
        until(lambda: not self.is_hit(target), "the target is as it was")

    def test_undo_restores_twice_is_harmless_and_it_can_be_injected_again(self, target, session, tmp_path):
        self.action(**self.arguments(target))
        [entry] = session.open_entries()
        assert session.undo() == []
        self.assert_healed(target)
        assert not self.fault.effective(entry.data)
        self.fault.undo(entry.data)
        assert not self.is_hit(target)
        self.action(**self.arguments(target))
        assert session.undo() == []
        assert [told.effective for told in self.record(tmp_path).faults] == [True, True]

    def test_an_undo_that_comes_late_leaves_a_newer_fault_alone(self, target, tmp_path):
        """Whoever undoes may stand still for long; meanwhile another one has undone, and another run strikes there."""
        older = Session("older", tmp_path / "older", state=tmp_path / "state-of-older")
        older.start({"id": "older"})
        self.action(**self.arguments(target))
        [ledger] = (older.state / "ledger").iterdir()
        late = UndoLedger(Path(shutil.copy(ledger, tmp_path / "late.jsonl")))
        assert older.close("completed") == []
        self.assert_healed(target)
        newer = Session("newer", tmp_path / "newer", state=tmp_path / "state-of-newer")
        newer.start({"id": "newer"})
        try:
            self.action(**self.arguments(target) | {"ttl": "71s"})
            assert Undoing(late, "reaper").undo() == [], "it has nothing left to undo"
            assert self.is_hit(target), "the newer fault stands"
        finally:
            left = newer.close("completed")
        assert left == []
        self.assert_healed(target)

    def test_its_time_to_live_alone_undoes_it(self, target, tmp_path):
        """The runner stands still, so nobody but the reaper can be it."""
        with self.runner(tmp_path, target, ttl=self.ttl) as process:
            assert process.stdout.readline() == b"struck\n"
            process.send_signal(signal.SIGSTOP)
            self.assert_healed(target)
            until(lambda: self.record(tmp_path).faults[0].undone_s is not None, "it is told")
            [told] = self.record(tmp_path).faults
            assert told.undone_by == "reaper"
            assert told.undone_s - told.intended_s > parse_duration(self.ttl) / 2

    def test_killed_together_with_its_reaper_it_is_undone_by_hand(self, target, tmp_path):
        with self.runner(tmp_path, target) as process:
            kill_with_its_reaper(process)
        [left] = open_runs(tmp_path / "state")
        assert not left.alive
        assert len(left.entries) == 1
        assert [residue for _, residue in undo_runs(tmp_path / "state")] == [[]]
        self.assert_healed(target)

    @pytest.mark.parametrize(
        ("first", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
    )
    def test_a_signal_undoes_it_and_a_second_one_changes_nothing(self, target, tmp_path, first, exit_code):
        file = tmp_path / "contract.json"
        file.write_text(json.dumps(experiment(reference_of(self.action), self.arguments(target))))
        code = "import sys; from chaoslab.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "run", "--reports", tmp_path / "reports", file]
        environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
        state, told = tmp_path / "home" / "chaoslab", tmp_path / "told"
        with told.open("w") as stderr:
            run = subprocess.Popen(command, env=environment, stderr=stderr, cwd=tmp_path)
        try:
            until(lambda: "fault-effective" in events_of(tmp_path / "reports") or run.poll() is not None, "it is on")
            with undo_held_up(state):
                run.send_signal(first)
                until(lambda: '"interrupted"' in events_of(tmp_path / "reports"), "the first signal is taken")
                for number in (signal.SIGTERM, signal.SIGINT):
                    run.send_signal(number)
                    answer = f"{number.name} again: already stopping; 1 thing to undo: "
                    until(lambda answer=answer: answer in told.read_text(), "the second signal is answered")
            assert run.wait(PATIENCE_S) == exit_code, told.read_text()
        finally:
            run.kill()
            run.wait()
        self.assert_healed(target)
        assert open_runs(state) == []
        assert '"fault-undone"' in events_of(tmp_path / "reports")


class MomentaryConformance(Conformance):
    """What holds for a fault that is over when it bit."""

    def assert_healed(self, target):
        """Nothing: whoever supervises the target heals it, or nobody does."""

    def test_nothing_is_open_once_it_bit(self, target, session):
        self.action(**self.arguments(target))
        assert self.is_hit(target)
        assert session.open_entries() == []

    def test_undo_afterwards_is_harmless(self, target, session):
        data = self.pinned(target).data
        self.action(**self.arguments(target))
        self.fault.undo(data)
        assert self.is_hit(target)


@contextmanager
def undo_held_up(state):
    """Keep the run from undoing for a moment, as a slow target does, so that signals arrive in the midst of it."""
    [ledger] = (state / "ledger").glob("*.jsonl")
    with ledger.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def children(pid):
    """Return the pids of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_with_its_reaper(process):
    """Kill a runner that has struck, and before that its reaper: of its children, since faults may have some too."""
    assert process.stdout.readline() == b"struck\n"
    program = b"\0chaoslab.runtime.reaper\0"
    [reaper] = [pid for pid in children(process.pid) if program in Path(f"/proc/{pid}/cmdline").read_bytes()]
    process.send_signal(signal.SIGSTOP)
    os.kill(reaper, signal.SIGKILL)
    process.kill()
    process.wait()


def events_of(reports):
    """Return the text of the only run log below a folder, or ''."""
    return "".join(file.read_text() for file in reports.glob("*/events.jsonl"))
