"""In User-Mode Linux: packets late in a real container, and the control groups of the second kind.

Each process takes seconds there, so the suite of all faults does not run whole: what is not the container's own is
shown for the same fault on a line between namespaces.
"""

import pytest
from conformance import FaultConformance
from containers import Answerer, Ticker

from chaoslab.core.record import record_of
from chaoslab.docker.actions import pause
from chaoslab.docker.limits import limit
from chaoslab.docker.network import delay
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.runlog import read_events

pytestmark = pytest.mark.guest

LATE_S = 0.3
SHOWN_BY_OTHERS = (
    "test_a_signal_undoes_it_and_a_second_one_changes_nothing",
    "test_a_target_that_dies_under_the_fault_leaves_no_residue",
    "test_pinning_touches_nothing_and_its_data_is_json",
    "test_without_a_session_it_refuses_and_touches_nothing",
    "test_its_description_says_whom_it_hits_and_how_it_ends",
    "test_undo_without_inject_is_harmless",
    "test_a_runner_killed_after_a_write_leaves_no_residue",
)


class TestDelay(FaultConformance):
    """What the container sends is late: its part of the handshake, then its byte."""

    action = staticmethod(delay)

    @pytest.fixture
    def target(self, keep):
        return keep(Answerer)

    def arguments(self, target):
        return {"container": target.name, "latency": f"{LATE_S:g}s", "ports": Answerer.PORT}

    def is_hit(self, target):
        return min(target.answer_s() for _ in range(3)) >= LATE_S

    def destroy(self, target):
        target.remove()

    locals().update(dict.fromkeys(SHOWN_BY_OTHERS))

    def test_a_killed_runner_leaves_no_late_packet(self, target, tmp_path):
        with self.runner(tmp_path, target, die_after="log:fault-effective") as process:
            process.wait(120)
            self.assert_nothing_is_open(tmp_path)
        self.assert_healed(target)

    def test_on_the_wrong_interface_it_proves_nothing(self, target, session, tmp_path):
        delay(target.name, f"{LATE_S:g}s", interface="lo")
        assert not self.is_hit(target)
        assert session.close("completed") == []
        record = record_of(read_events(tmp_path / "run" / "events.jsonl"))
        assert [finding.code for finding in record.findings] == ["fault-without-effect"]


@pytest.fixture
def ticker(keep, tmp_path_factory):
    return keep(lambda run: Ticker(run, tmp_path_factory.mktemp("out"), mem_limit="256m"))


class TestSecondKindOfControlGroups:
    def test_the_kernel_holds_the_limits_and_has_its_own_back(self, ticker, session):
        def held():
            return [ticker.kernel("", name) for name in ("memory.max", "cpu.max")]

        before = held()
        limit(ticker.name, cpus="0.2", memory="64MiB")
        assert held() == [str(64 << 20), "20000 100000"]
        assert session.undo() == []
        assert held() == before

    def test_the_kernel_freezes_and_lets_go(self, ticker, session):
        data = pin_of(pause)(ticker.name).data
        pause(ticker.name)
        assert "frozen 1" in ticker.kernel("", "cgroup.events").splitlines()
        assert session.undo() == []
        assert "frozen 0" in ticker.kernel("", "cgroup.events").splitlines()
        assert data == pin_of(pause)(ticker.name).data
