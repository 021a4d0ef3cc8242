"""The scratch folder of a drill keeps the contract of faults, as far as it applies to what harms nobody."""

import json
import shutil
import signal
import subprocess
import sys

import pytest
from conformance import FaultConformance
from waiting import PATIENCE_S

from chaoslab.postgres.actions import scratch


class TestScratch(FaultConformance):
    """Nobody asks whether a scratch thing bites, so those tests are told in its own words."""

    action = staticmethod(scratch)
    test_a_signal_undoes_it_and_a_second_one_changes_nothing = None  # tests/sabotage does that with the whole drill

    @pytest.fixture
    def target(self, tmp_path):
        base = tmp_path / "base"
        base.mkdir()
        return base

    def arguments(self, target):
        return {"folder": str(target)}

    def is_hit(self, target):
        return any(target.iterdir())

    def destroy(self, target):
        for folder in target.iterdir():
            shutil.rmtree(folder)

    def test_inject_is_effective(self, target, session, tmp_path):
        made = self.action(**self.arguments(target))
        assert self.is_hit(target)
        assert json.loads(json.dumps(made)) == made
        session.close("completed")
        assert not self.is_hit(target)
        [told] = self.record(tmp_path).faults
        assert (told.role, told.undone_by) == ("scratch", "run")

    def test_undo_restores_twice_is_harmless_and_it_can_be_injected_again(self, target, session):
        for _ in range(2):
            self.action(**self.arguments(target))
            [entry] = session.open_entries()
            assert session.undo() == []
            self.assert_healed(target)
            self.fault.undo(entry.data)

    @pytest.mark.parametrize("write", ["ledger:intended", "ledger:injected"])
    def test_a_runner_killed_after_a_write_leaves_no_residue(self, target, tmp_path, write):
        with self.runner(tmp_path, target, die_after=write) as process:
            assert process.wait(PATIENCE_S) == -signal.SIGKILL
            self.assert_nothing_is_open(tmp_path)
        self.assert_healed(target)

    def test_a_program_that_works_in_it_is_ended_with_it_and_no_other(self, target, session, tmp_path):
        made = self.action(**self.arguments(target))
        inside, outside = (as_pg_dump(f"{folder}/shop.dump") for folder in (made["folder"], tmp_path))
        try:
            assert session.undo() == []
            assert inside.wait(PATIENCE_S) == -signal.SIGKILL
            assert outside.poll() is None
            assert not self.is_hit(target)
        finally:
            for process in (inside, outside):
                process.kill()
                process.wait()


def as_pg_dump(path):
    """Start a process that goes by the name of pg_dump and holds a path."""
    words = ["pg_dump", "-I", "-S", "-c", "print(flush=True); import time; time.sleep(60)", path]
    process = subprocess.Popen(words, executable=sys.executable, stdout=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    return process
