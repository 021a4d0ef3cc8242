"""What the shaping faults do to real traffic, measured from outside; and what they leave alone."""

import statistics

import pytest
from line import OTHER_PORT, PORT, SERVER, SERVER_V6, Line
from waiting import until

from chaoslab.network.shaping import SHAPE, corrupt, delay, duplicate, limit_rate, lose, reorder
from chaoslab.runtime.fault import pin_of

netem = pytest.mark.netem


@pytest.fixture
def line():
    made = Line()
    before = made.queues()
    yield made
    assert made.queues() == before
    made.destroy()


@pytest.fixture
def strike(line):
    """Inject a fault on the line and, unless told that nobody will meet it, wait until it bites; return its data."""
    struck = []

    def inject(action, *, met=True, **arguments):
        told = {"interface": line.leaf, "netns": line.client, "ports": PORT, **arguments}
        data = pin_of(action)(**told).data
        struck.append(data)
        SHAPE.inject(data)
        if met:
            until(lambda: SHAPE.effective(data), "it bites")
        return data

    yield inject
    for data in struck:
        SHAPE.undo(data)


@netem
def test_a_delay_of_200_ms_is_200_ms_for_a_connection_and_its_first_byte(line, strike):
    data = strike(delay, latency="200ms")
    connected_s = min(line.connect_s() for _ in range(3))
    answered_s = min(line.round_trips_s())
    assert 0.2 <= connected_s < 0.35, "of the three packets that make a connection, one waits before it is made"
    assert 0.2 <= answered_s < 0.35
    SHAPE.undo(data)
    until(lambda: line.connect_s() < 0.2 and min(line.round_trips_s()) < 0.2, "it is quick again")


@netem
def test_other_ports_peers_and_families_keep_their_time(line, strike):
    strike(delay, latency="300ms", peers=SERVER)
    assert min(line.round_trips_s(OTHER_PORT)) < 0.15
    assert min(line.round_trips_s(address=SERVER_V6)) < 0.15
    assert min(line.round_trips_s()) >= 0.3


@netem
def test_ports_alone_mean_both_families_and_ranges_are_whole(line, strike):
    strike(delay, latency="300ms", ports="5000-5432")
    assert min(line.round_trips_s(address=SERVER_V6)) >= 0.3
    assert min(line.round_trips_s()) >= 0.3
    assert min(line.round_trips_s(OTHER_PORT)) < 0.15, "one beyond the range"


@netem
def test_a_server_s_own_port_is_a_source(line, strike):
    told = {"interface": "root0", "netns": line.server, "side": "source"}
    strike(delay, latency="300ms", **told)
    assert min(line.round_trips_s()) >= 0.3
    assert min(line.round_trips_s(OTHER_PORT)) < 0.15


@netem
def test_jitter_varies_and_stays_in_its_bounds(line, strike):
    strike(delay, latency="100ms", jitter="50ms", distribution="uniform")
    taken = line.round_trips_s(count=20)
    assert min(taken) >= 0.049
    assert max(taken) - min(taken) > 0.02


@netem
@pytest.mark.parametrize(
    "how",
    [{"share": "20%"}, {"share": "20%", "in_a_row": 3}, {"gemodel": "10%, 40%"}, {"state": "8%, 32%"}],
    ids=["random", "burst", "gemodel", "state"],
)
def test_the_share_that_is_lost_is_the_share_that_was_asked_for(line, strike, how):
    with line.datagrams() as counted:
        strike(lose, **how, protocol="udp")
        arrived = counted.share_of(1500)
    assert 0.1 < 1 - arrived < 0.3


@netem
def test_all_is_lost(line, strike):
    strike(lose, share="100%")
    assert line.round_trips_s(timeout_s=0.5) == []
    assert min(line.round_trips_s(OTHER_PORT)) < 0.15


@netem
def test_duplicates_arrive(line, strike):
    with line.datagrams() as counted:
        strike(duplicate, share="50%", protocol="udp")
        arrived = counted.share_of(1000)
    assert 1.3 < arrived < 1.7


@netem
def test_corrupted_packets_are_found_by_their_checksum_and_thrown_away(line, strike):
    with line.datagrams() as counted:
        strike(corrupt, share="50%", protocol="udp")
        arrived = counted.share_of(1000)
    assert 0.3 < arrived < 0.7


@netem
def test_reordered_packets_overtake(line, strike):
    with line.datagrams() as counted:
        strike(reorder, share="25%", latency="50ms", protocol="udp")
        numbers = counted.order_of(500)
    assert sorted(numbers) != numbers


def test_a_limited_rate_is_kept(line, strike):
    """The talker alone does not need so much, so somebody who does makes it bite."""
    with line.saturated():
        strike(limit_rate, rate="256KiB", burst="16KiB")
    until(lambda: max(line.round_trips_s() or [1.0]) < 0.1, "the queue is empty")
    taken_s = min(line.round_trips_s(size=128 * 1024))
    assert taken_s > 0.4, "128 KiB at 256 KiB/s, less the burst"
    assert min(line.round_trips_s(OTHER_PORT, size=128 * 1024)) < taken_s / 4


@netem
@pytest.mark.parametrize("wrong", [{"ports": 9}, {"interface": "lo", "ports": PORT}], ids=["port", "interface"])
def test_where_nobody_talks_it_does_not_bite(line, strike, wrong):
    data = strike(delay, latency="200ms", met=False, **wrong)
    assert min(line.round_trips_s()) < 0.15
    assert not SHAPE.effective(data)


@netem
def test_who_talks_through_another_port_is_not_slower_while_a_fault_is_on(line, strike):
    def typical_s():
        return statistics.median(line.round_trips_s(OTHER_PORT, count=100))

    before_s = typical_s()
    data = strike(delay, latency="500ms")
    during_s = typical_s()
    SHAPE.undo(data)
    assert during_s < before_s + 0.005, f"{before_s * 1e3:.2f} ms before, {during_s * 1e3:.2f} ms during"


def test_all_shaping_is_gone_after_each_of_many_faults(line, strike):
    before = line.queues()
    for number in range(5):
        data = strike(limit_rate, rate=f"{number + 1}MiB", met=False, ports="")
        assert line.queues() != before
        SHAPE.undo(data)
        assert line.queues() == before
