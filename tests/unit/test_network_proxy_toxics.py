"""What toxics mean, without a network."""

import asyncio
import math
import random
import re
import time

import pytest

from chaoslab.network.conditions import Conditions
from chaoslab.network.lots import Lots
from chaoslab.network.toxics import delay_s, parse, rate


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "unknown kind None: one of latency"),
        ({"kind": "lag"}, "unknown kind 'lag'"),
        ({"kind": "latency"}, "latency needs latency_s"),
        ({"kind": "latency", "latency_s": -1}, "latency_s must be a number of 0 or more, not -1"),
        ({"kind": "latency", "latency_s": True}, "not True"),
        ({"kind": "latency", "latency_s": float("nan")}, "not nan"),
        ({"kind": "latency", "latency_s": 1, "direction": "left"}, "direction 'left': one of upstream"),
        ({"kind": "throttle", "bytes_per_s": 0}, "use blackhole"),
        ({"kind": "reset", "share": 0}, "share must be above 0 and at most 1"),
        ({"kind": "reset", "share": 1.5}, "share must be above 0 and at most 1"),
        ({"kind": "refuse", "share": 0.5}, "refuse has none"),
        ({"kind": "reset", "rate": 3}, "reset has no parameter 'rate': it takes none"),
        ({"kind": "blackhole", "direction": "upstream"}, "no parameter 'direction'"),
        ({"kind": "blackhole", "ttl_s": "soon"}, "ttl_s must be a number"),
    ],
)
def test_a_wrong_toxic_is_refused_with_the_reason(data, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse("x", data)


def test_a_toxic_comes_back_as_it_was_given():
    data = {"kind": "latency", "latency_s": 0.2, "jitter_s": 0.0, "direction": "both", "ttl_s": 3.0}
    assert parse("slow", data).as_data() == data
    assert parse("dark", {"kind": "blackhole"}).as_data() == {"kind": "blackhole"}


def test_latencies_add_up_in_their_direction():
    toxics = [
        parse("a", {"kind": "latency", "latency_s": 0.2}),
        parse("b", {"kind": "latency", "latency_s": 0.1, "jitter_s": 0.05, "direction": "both"}),
    ]
    assert delay_s(toxics, "downstream", 1.0) == pytest.approx(0.35)
    assert delay_s(toxics, "upstream", -1.0) == pytest.approx(0.05)
    assert delay_s([], "upstream", 1.0) == 0


def test_jitter_never_turns_time_back():
    assert delay_s([parse("a", {"kind": "latency", "latency_s": 0.1, "jitter_s": 5})], "downstream", -1.0) == 0


def test_nothing_passes_a_blackhole_and_the_tightest_throttle_counts():
    assert math.isinf(delay_s([parse("a", {"kind": "blackhole"})], "upstream", 0.0))
    toxics = [parse("a", {"kind": "throttle", "bytes_per_s": n}) for n in (100, 50)]
    assert rate(toxics, "upstream") == 50
    assert math.isinf(rate([], "upstream"))


def test_a_share_of_the_connections_is_hit_each_for_as_long_as_the_toxic_stands():
    chance, half = random.Random(7), {"kind": "latency", "latency_s": 1, "share": 0.5}
    toxic, again = parse("slow", half), parse("slow", half)
    connections = [Lots(chance) for _ in range(1000)]
    hit = [lots.hit(toxic) for lots in connections]
    assert 400 < sum(hit) < 600
    assert [lots.hit(toxic) for lots in connections] == hit
    assert [lots.hit(again) for lots in connections] != hit
    assert all(Lots(chance).hit(parse("all", {"kind": "reset"})) for _ in range(100))
    assert toxic.as_data()["share"] == 0.5


def test_a_toxic_goes_by_itself_when_its_time_is_up():
    async def scene():
        changes = []
        conditions = Conditions(lambda: changes.append([toxic.name for toxic in conditions]))
        conditions.put(parse("dark", {"kind": "blackhole", "ttl_s": 0.05}))
        conditions.put(parse("dark", {"kind": "blackhole", "ttl_s": 0.1}))
        begin = time.monotonic()
        await asyncio.wait_for(conditions.passage("upstream", begin, 0.0, Lots(random.Random(1))), 60)
        assert time.monotonic() - begin >= 0.09, "a replaced toxic counts from its replacement"
        assert changes == [["dark"], ["dark"], []]
        assert not conditions.remove("dark")

    asyncio.run(scene())


def test_a_removal_wakes_those_who_wait():
    async def scene():
        conditions, lots = Conditions(lambda: None), Lots(random.Random(1))
        conditions.put(parse("slow", {"kind": "latency", "latency_s": 60}))
        conditions.put(parse("thin", {"kind": "throttle", "bytes_per_s": 1}))
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, conditions.remove, "slow")
        loop.call_later(0.1, conditions.remove, "thin")
        async with asyncio.timeout(5):
            await conditions.passage("downstream", loop.time(), 0.0, lots)
            while await conditions.share("downstream", 1000, lots) < 1000:
                pass

    asyncio.run(scene())
