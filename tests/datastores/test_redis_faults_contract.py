"""The faults of a Redis server keep the contract, on a real server."""

import pytest
from conformance import FaultConformance, MomentaryConformance

from chaoslab.redis.actions import evict, freeze, kill_connections, squeeze_memory


class _OfRedis:
    more = {}  # noqa: RUF012 - never changed

    @pytest.fixture
    def target(self, redis_server):
        return redis_server

    def arguments(self, target):
        return {"url": target.url, **self.more}

    def destroy(self, target):
        target.kill()


class TestFreeze(_OfRedis, FaultConformance):
    action = staticmethod(freeze)
    ttl = "6s"  # a machine that has no time for us needs some until the holder holds

    def is_hit(self, target):
        return target.ping_s(timeout_s=0.5) is None and target.ping_s(timeout_s=0.5) is None


class TestSqueeze(_OfRedis, FaultConformance):
    action = staticmethod(squeeze_memory)
    more = {"memory": "50%", "policy": "allkeys-lru"}  # noqa: RUF012

    def is_hit(self, target):
        return target.client().config_get("maxmemory*")["maxmemory"] != "0"

    def assert_healed(self, target):
        super().assert_healed(target)
        assert target.client().config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        target.client().mset({f"appointment:{number}": "x" * 200 for number in range(100)})


class TestEvict(_OfRedis, MomentaryConformance):
    action = staticmethod(evict)
    more = {"pattern": "appointment:*", "share": "50%"}  # noqa: RUF012

    def is_hit(self, target):
        return target.client().dbsize() < 101


class TestKillConnections(_OfRedis, MomentaryConformance):
    action = staticmethod(kill_connections)
    more = {"name": "shop-*"}  # noqa: RUF012

    @pytest.fixture
    def target(self, redis_server):
        redis_server.named("shop-1")
        return redis_server

    def is_hit(self, target):
        return all(one["name"] != "shop-1" for one in target.client().client_list())
