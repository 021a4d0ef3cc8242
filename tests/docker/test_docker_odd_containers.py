"""Containers that change under a fault, and those that are made in unusual ways."""

import pytest
from containers import Ticker
from waiting import until

from chaoslab.core.errors import Refused
from chaoslab.core.record import record_of
from chaoslab.docker.actions import pause, stop
from chaoslab.docker.joining import disconnect
from chaoslab.docker.limits import limit
from chaoslab.docker.network import block_port, delay, limit_rate
from chaoslab.docker.volumes import fill_volume
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.runlog import read_events


@pytest.fixture
def ticker(run, tmp_path):
    return Ticker(run, tmp_path / "out")


STANDING = [(pause, {}), (stop, {"grace": "0s"}), (limit, {"cpus": "0.2"}), (disconnect, {})]


@pytest.mark.parametrize(("action", "more"), STANDING, ids=[action.__name__ for action, _ in STANDING])
def test_one_that_was_renamed_under_the_fault_is_found_by_its_id(ticker, session, action, more):
    action(ticker.name, **more)
    ticker.container.rename(f"{ticker.name}-renamed")
    assert session.undo() == []
    until(lambda: not ticker.is_silent(), "it goes on")
    ticker.container.reload()
    assert ticker.container.name.endswith("-renamed")
    networks = ticker.container.attrs["NetworkSettings"]["Networks"]
    assert networks


def test_one_that_was_paused_by_somebody_under_the_fault_holds_back_what_is_done_in_it(caller, session):
    target = caller(cap_add=["NET_ADMIN"])
    block_port(target.name, target.port, way="exec")
    target.container.pause()
    [left] = session.undo()
    assert "drop" in left.target
    target.container.unpause()
    assert session.undo() == []
    until(lambda: not target.is_cut_off(), "it calls again")


def test_one_that_was_paused_by_somebody_is_no_hindrance_from_the_host(caller, session):
    target = caller()
    block_port(target.name, target.port, way="host")
    target.container.pause()
    assert session.undo() == []
    target.container.unpause()
    until(lambda: not target.is_cut_off(), "it calls again")


def test_one_whose_image_can_do_nothing_and_whose_disk_is_read_only_is_hit_from_the_host(caller, bare_image, session):
    target = caller(image=bare_image, read_only=True)
    block_port(target.name, target.port)
    assert target.is_cut_off()
    assert session.undo() == []
    until(lambda: not target.is_cut_off(), "it calls again")


def test_a_read_only_disk_cannot_be_filled(run):
    target = run(["sleep", "3600"], init=True, read_only=True)
    with pytest.raises(Refused, match="read-only"):
        pin_of(fill_volume)(target.name, "/var", size="1MiB")


@pytest.fixture
def of_host(run):
    """A container that shares the network of one that has its host's."""
    first = run(["sleep", "3600"], init=True, network=None, network_mode="host")
    return run(["sleep", "3600"], init=True, network=None, network_mode=f"container:{first.id}")


@pytest.mark.parametrize("way", ["", "host", "exec"])
def test_the_hosts_network_is_refused_also_at_second_hand(of_host, way):
    with pytest.raises(Refused, match="uses its host's network"):
        pin_of(block_port)(of_host.name, 9, way=way)
    for action in (delay, limit_rate):
        with pytest.raises(Refused, match="uses its host's network"):
            pin_of(action)(of_host.name)
    with pytest.raises(Refused, match="uses the network of its host or of another container"):
        pin_of(disconnect)(of_host.name)


def test_what_shares_the_network_of_another_is_cut_off_with_it(caller, run, session):
    target = caller()
    lodger = run(["sleep", "3600"], init=True, network=None, network_mode=f"container:{target.container.id}")
    block_port(lodger.name, target.port)
    assert target.is_cut_off()
    assert session.undo() == []
    until(lambda: not target.is_cut_off(), "it calls again")


def test_without_any_network_nothing_is_proved_and_no_line_is_there(run, session, tmp_path):
    target = run(["sleep", "3600"], init=True, network=None, network_mode="none")
    with pytest.raises(Refused, match="eth0"):
        pin_of(limit_rate)(target.name)
    with pytest.raises(Refused, match="has no network"):
        pin_of(disconnect)(target.name)
    block_port(target.name, 5432)
    assert session.close("completed") == []
    record = record_of(read_events(tmp_path / "run" / "events.jsonl"))
    assert [finding.code for finding in record.findings] == ["fault-without-effect"]


def test_a_line_that_nobody_uses_proves_nothing(caller, session, tmp_path):
    """The wrong interface: what the container says goes another way."""
    target = caller()
    limit_rate(target.name, "1KiB", interface="lo")
    assert session.close("completed") == []
    record = record_of(read_events(tmp_path / "run" / "events.jsonl"))
    assert [finding.code for finding in record.findings] == ["fault-without-effect"]


def test_limits_that_were_made_as_shares_are_squeezed_and_come_back(ticker, run, tmp_path, session):
    """`docker run --cpus`: the daemon takes these in billionths only."""
    target = Ticker(run, tmp_path / "more", nano_cpus=500_000_000)

    def held():
        return target.kernel("cpu", "cpu.cfs_quota_us", "cpu.max").split()[0]

    before = held()
    limit(target.name, cpus="0.2")
    assert held() == "20000"
    assert session.undo() == []
    assert held() == before
    assert target.container.attrs["HostConfig"]["NanoCpus"] == 500_000_000
