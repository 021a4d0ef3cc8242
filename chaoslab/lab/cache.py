"""The service's cache in Redis: asked before what is slow, and when what is true cannot be had."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chaoslab.lab.breaker import Breaker, NoBreaker, Unavailable

ANSWER_S = 0.1
"""A cache that takes longer helps nobody."""
CONNECTIONS = 16
Thing = dict[str, Any]


class Cache:
    """Things by their key. Without a Redis that answers it has nothing, and nobody waits for it."""

    def __init__(self, url: str, *, fragile: bool = False) -> None:
        """Take where Redis is; connecting waits for the first use.

        Args:
            url: `redis://host:port`, or '' for a service that has none
            fragile: wait for it as long as it takes, and fail when it does
        """
        self.breaker = NoBreaker("redis") if fragile else Breaker("redis", open_s=0.5)
        self.results = {"hit": 0, "miss": 0, "error": 0}
        self._fragile = fragile
        self._redis = _client(url, fragile=fragile) if url else None

    @property
    def is_there(self) -> bool:
        """Whether the service was given one."""
        return self._redis is not None

    def get(self, key: str) -> Thing | None:
        """Return what is kept under a key, or None.

        Raises:
            Unavailable: Redis is away, and this cache is fragile.
        """
        redis = self._redis
        if redis is None:
            return None
        text = self._ask(lambda: redis.get(key))
        if text is None:
            self.results["miss"] += 1
            return None
        self.results["hit"] += 1
        thing: Thing = json.loads(text)
        return thing

    def put(self, key: str, thing: Thing, *, for_s: float) -> None:
        """Keep a thing for some seconds; without Redis it is not kept.

        Raises:
            Unavailable: Redis is away, and this cache is fragile.
        """
        redis = self._redis
        if redis is not None:
            self._ask(lambda: redis.set(key, json.dumps(thing), px=int(for_s * 1000)))

    def check(self) -> None:
        """Ask Redis how it is.

        Raises:
            Unavailable: it does not answer.
        """
        redis = self._redis
        if redis is not None:
            self.breaker.call(lambda: _asked(redis.ping))

    def _ask(self, ask: Callable[[], Any]) -> Any:
        try:
            return self.breaker.call(lambda: _asked(ask))
        except Unavailable:
            self.results["error"] += 1
            if self._fragile:
                raise
            return None


def _client(url: str, *, fragile: bool) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    once: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "protocol": 2}
    if fragile:
        return redis.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=None, **once)
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=ANSWER_S,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
        **once,
    )
    return redis.Redis.from_pool(pool)


def _asked(ask: Callable[[], Any]) -> Any:
    import redis

    try:
        return ask()
    except (redis.RedisError, OSError) as broken:
        raise Unavailable(f"redis: {str(broken).splitlines()[0] if str(broken) else type(broken).__name__}") from broken
