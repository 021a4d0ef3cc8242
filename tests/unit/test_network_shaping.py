"""What shaping faults are told, and what they tell `tc`: pure, on no kernel."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.network.shaping_netem import delay_words, limit_of, loss_words, reorder_words, some_words, surely_one
from chaoslab.network.shaping_rate import rate_of
from chaoslab.network.shaping_traffic import match_of_connection, matches_of, traffic_of


def delay(**given):
    return delay_words(**{"latency": "200ms", "jitter": "0s", "correlation": "0%", "distribution": "", **given})


def lose(**given):
    return loss_words(**{"share": "", "correlation": "0%", "in_a_row": 0, "gemodel": "", "state": "", **given})


def traffic(**given):
    return traffic_of(**{"peers": "", "ports": "", "protocol": "", "side": "either", **given})


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (delay(), "delay 200000us"),
        (delay(jitter="20ms"), "delay 200000us 20000us"),
        (delay(jitter="20ms", correlation="25%"), "delay 200000us 20000us 25%"),
        (delay(jitter="20ms", distribution="normal"), "delay 200000us 20000us distribution normal"),
        (delay(jitter="20ms", distribution="uniform"), "delay 200000us 20000us"),
        (lose(share="10%"), "loss random 10%"),
        (lose(share="0.5%", correlation="25%"), "loss random 0.5% 25%"),
        (lose(share="20%", in_a_row=4), "loss gemodel 6.25% 25% 100% 0%"),
        (lose(gemodel="1%, 10%, 70%, 0.1%"), "loss gemodel 1% 10% 70% 0.1%"),
        (lose(state="1%,30%"), "loss state 1% 30%"),
        (some_words("duplicate", share="50%", correlation="0%"), "duplicate 50%"),
        (some_words("corrupt", share="0.1%", correlation="5%"), "corrupt 0.1% 5%"),
        (
            reorder_words(share="25%", latency="10ms", correlation="50%", gap=5),
            "delay 10000us reorder 25% 50% gap 5",
        ),
    ],
)
def test_netem_is_told_in_its_words(shape, words):
    assert shape.words == words


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        (lambda: delay(latency="0s"), "latency"),
        (lambda: delay(latency="1h"), "latency"),
        (lambda: delay(latency="-1s"), "latency"),
        (lambda: delay(latency="fast"), "latency"),
        (lambda: delay(jitter="300ms"), "jitter"),
        (lambda: delay(distribution="gauss", jitter="1ms"), "distribution"),
        (lambda: delay(distribution="normal"), "jitter"),
        (lambda: delay(correlation="120%", jitter="1ms"), "correlation"),
        (lambda: lose(), "give one of share, gemodel and state"),
        (lambda: lose(share="10%", state="1%"), "give one of share"),
        (lambda: lose(share="0%"), "share"),
        (lambda: lose(share="101%"), "share"),
        (lambda: lose(share="0.00001%"), "share"),
        (lambda: lose(share="10%", in_a_row=0.5), "in_a_row"),
        (lambda: lose(share="10%", in_a_row="many"), "in_a_row"),
        (lambda: lose(share="100%", in_a_row=3), "in_a_row"),
        (lambda: lose(share="90%", in_a_row=2), "in_a_row"),
        (lambda: lose(share="10%", in_a_row=2, correlation="5%"), "in_a_row"),
        (lambda: lose(gemodel="0%, 10%"), "gemodel"),
        (lambda: lose(gemodel="1%,1%,1%,1%,1%"), "gemodel"),
        (lambda: lose(state="1"), "state"),
        (lambda: some_words("corrupt", share="200%", correlation="0%"), "share"),
        (lambda: reorder_words(share="100%", latency="10ms", correlation="0%", gap=0), "share"),
        (lambda: reorder_words(share="25%", latency="0s", correlation="0%", gap=0), "latency"),
        (lambda: reorder_words(share="25%", latency="1ms", correlation="0%", gap=-1), "gap"),
        (lambda: rate_of(rate="0B", burst="", queue="1s"), "rate"),
        (lambda: rate_of(rate="fast", burst="", queue="1s"), "rate"),
        (lambda: rate_of(rate="1MiB", burst="0B", queue="1s"), "burst"),
        (lambda: rate_of(rate="1MiB", burst="", queue="0s"), "queue"),
        (lambda: traffic(ports="0"), "ports"),
        (lambda: traffic(ports="70000"), "ports"),
        (lambda: traffic(ports="90-80"), "ports"),
        (lambda: traffic(ports="http"), "ports"),
        (lambda: traffic(ports=" , "), "ports"),
        (lambda: traffic(peers="nowhere"), "peers"),
        (lambda: traffic(peers=","), "peers"),
        (lambda: traffic(ports=80, protocol="icmp"), "protocol"),
        (lambda: traffic(protocol="udp"), "protocol"),
        (lambda: traffic(ports=80, side="left"), "side"),
        (lambda: traffic(ports=80, direction="up"), "direction"),
        (lambda: traffic(ports="1,3,5,7,9,11,13,15,17,19", peers=[f"10.0.{n}.1" for n in range(60)]), "ports, peers"),
    ],
)
def test_what_makes_no_sense_is_named(shape, named):
    with pytest.raises(BadUsage, match=named):
        shape()


def test_a_burst_keeps_the_share():
    enter, leave = (float(word.rstrip("%")) / 100 for word in lose(share="15%", in_a_row=5).words.split()[2:4])
    assert 1 / leave == pytest.approx(5)
    assert enter / (enter + leave) == pytest.approx(0.15)


def test_a_long_delay_may_hold_many_packets():
    assert limit_of(lose(share="1%")) == 1000
    assert limit_of(delay()) == 20_000
    assert limit_of(delay(latency="10s")) == 100_000


def test_as_many_must_pass_that_one_is_surely_hit():
    assert surely_one(1.0) == 1
    assert surely_one(0.5) == 10
    assert surely_one(0.1) == 66
    assert all((1 - chance) ** surely_one(chance) <= 0.001 for chance in (0.9, 0.3, 0.01, 1e-6))


def test_a_rate_s_queue_holds_some_of_the_largest_packets():
    slow = rate_of(rate="1KiB", burst="", queue="400ms")
    assert slow.leaf_words(65536) == f"bfifo limit {4 * 65536}"
    assert slow.class_words.startswith("rate 1024bps ceil 1024bps burst 16384b ")
    assert rate_of(rate="1MiB", burst="", queue="400ms").leaf_words(1500) == "bfifo limit 419430"


def test_ports_alone_mean_both_families_and_peers_alone_any_protocol():
    first = "match u8 0x05 0x0f at 0 match u16 0x0000 0x1fff at 6 match ip protocol 6 0xff match ip dport 5432 0xffff"
    assert matches_of(traffic(ports=5432, side="destination")) == [
        ("ip", first),
        ("ipv6", "match ip6 protocol 6 0xff match ip6 dport 5432 0xffff"),
    ]
    assert matches_of(traffic(peers="10.0.0.0/8, fd00::7")) == [
        ("ip", "match ip dst 10.0.0.0/8"),
        ("ipv6", "match ip6 dst fd00::7/128"),
    ]
    assert matches_of(traffic()) == []
    assert traffic().is_everything


def test_a_selection_is_told_in_words():
    assert str(traffic()) == "everything"
    assert str(traffic(ports="80-81, 90", protocol="both", peers="10.0.0.7")) == (
        "tcp/udp port 80-81, 90 (either) to 10.0.0.7"
    )
    assert str(traffic(peers="fd00::/8")) == "everything to fd00::/8"


def test_what_arrives_comes_from_the_peer_and_its_port():
    arriving = traffic(ports=5432, side="destination", peers="fd00::/8", direction="in")
    assert matches_of(arriving) == [
        ("ipv6", "match ip6 protocol 6 0xff match ip6 src fd00::/8 match ip6 sport 5432 0xffff"),
    ]
    assert str(arriving) == "tcp port 5432 (destination) from fd00::/8"
    ends = {"ours": "fd00::2", "our_port": 22, "peer": "fd00::1", "port": 50000}
    sent, got = (match_of_connection(6, **ends, arriving=arriving) for arriving in (False, True))
    assert sent[1].endswith("src fd00::2 match ip6 dst fd00::1 match ip6 sport 22 0xffff match ip6 dport 50000 0xffff")
    assert got[1].endswith("dst fd00::2 match ip6 src fd00::1 match ip6 dport 22 0xffff match ip6 sport 50000 0xffff")


def test_a_connection_of_which_only_one_end_is_known():
    family, words = match_of_connection(6, ours="", our_port=0, peer="fd00::1", port=6443)
    assert (family, words) == ("ipv6", "match ip6 protocol 6 0xff match ip6 dst fd00::1 match ip6 dport 6443 0xffff")
