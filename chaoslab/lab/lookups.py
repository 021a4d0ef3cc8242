"""Who a provider is: asked of another service, which may be away."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from chaoslab.lab.breaker import Breaker, NoBreaker, Unavailable
from chaoslab.lab.cache import Cache, Thing
from chaoslab.lab.memory import Memory

ANSWER_S = 0.3
FRESH_S = 0.25
"""For so long the cache answers instead of the other service."""
FAILURES = 3
SLOW_S = 0.25
OPEN_S = 1.0


class Providers:
    """The providers, as the downstream service knows them, and behind it what was heard lately."""

    def __init__(self, url: str, cache: Cache, *, fragile: bool = False) -> None:
        """Take where the downstream service is.

        Args:
            url: its address, or '' for a service that has none
            cache: asked first
            fragile: without deadlines, breaker and memory
        """
        self.breaker = (
            NoBreaker("downstream")
            if fragile
            else Breaker("downstream", failures=FAILURES, slow_s=SLOW_S, open_s=OPEN_S)
        )
        self._place = urlsplit(url).netloc
        self._cache = cache
        self._answer_s = None if fragile else ANSWER_S
        self._memory = Memory(0 if fragile else None)

    @property
    def is_there(self) -> bool:
        """Whether the service was given one."""
        return bool(self._place)

    def get(self, number: int) -> tuple[Thing | None, bool]:
        """Return a provider (None when there is none), and whether it comes from memory.

        Raises:
            Unavailable: the downstream service is away, and memory does not have it.
        """
        key = f"provider:{number}"
        cached = self._cache.get(key)
        if cached is not None:
            return cached, False
        try:
            found = self.breaker.call(lambda: self._ask(f"/providers/{number}"))
        except Unavailable:
            known = self._memory.get(number)
            if known is None:
                raise
            return known, True
        if found is not None:
            self._memory.put(number, found)
            self._cache.put(key, found, for_s=FRESH_S)
        return found, False

    def check(self) -> None:
        """Ask how the downstream service is, unless the breaker knows.

        Raises:
            Unavailable: it is not well, or was not a moment ago.
        """
        self.breaker.call(lambda: self._ask("/health"))

    def _ask(self, path: str) -> Thing | None:
        connection = http.client.HTTPConnection(self._place, timeout=self._answer_s)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as broken:
            raise Unavailable(f"downstream: {broken or type(broken).__name__}") from broken
        finally:
            connection.close()
        if answer.status == http.client.NOT_FOUND:
            return None
        if answer.status != http.client.OK:
            raise Unavailable(f"downstream: it answered {answer.status}")
        found: Any = json.loads(body)
        return found if isinstance(found, dict) else {}
