"""The service's figures, in Prometheus's text format and under the names that Spring Boot gives them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from chaoslab.lab.breaker import STATES, Breaker

if TYPE_CHECKING:
    from chaoslab.lab.cache import Cache
    from chaoslab.lab.pool import Pool

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
REQUESTS = "http_server_requests_seconds"
Labels = tuple[tuple[str, str], ...]


class Requests:
    """How many requests there were, and how long they took, by method, uri and status."""

    def __init__(self, application: str) -> None:
        """Take the name under which the figures appear."""
        self._application = application
        self._lock = threading.Lock()
        self._buckets: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, method: str, uri: str, status: int, seconds: float) -> None:
        """Count one request.

        Args:
            method: GET, POST ...
            uri: the pattern, not the path: `/appointments/{id}`
            status: the answer's HTTP status
            seconds: how long it took
        """
        labels = (("application", self._application), ("method", method), ("status", str(status)), ("uri", uri))
        with self._lock:
            counts = self._buckets.setdefault(labels, [0] * (len(BUCKETS_S) + 1))
            counts[next((i for i, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))] += 1
            self._sums[labels] = self._sums.get(labels, 0.0) + seconds

    def text(self) -> str:
        """Return the figures for a scrape."""
        lines = [f"# HELP {REQUESTS} requests answered", f"# TYPE {REQUESTS} histogram"]
        with self._lock:
            for labels, counts in sorted(self._buckets.items()):
                total = 0
                for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
                    total += count
                    lines.append(_sample(f"{REQUESTS}_bucket", (*labels, ("le", bound)), total))
                lines.append(_sample(f"{REQUESTS}_count", labels, total))
                lines.append(_sample(f"{REQUESTS}_sum", labels, self._sums[labels]))
        return "\n".join(lines) + "\n"


def gauges(values: Mapping[str, float], application: str) -> str:
    """Return plain figures for a scrape: each a gauge of the application, or a counter if its name ends so."""
    lines = []
    for name, value in values.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# TYPE {name} {kind}", _sample(name, (("application", application),), value)]
    return "\n".join(lines) + "\n"


def of_pool(pool: Pool, application: str) -> str:
    """Return how the connection pool is, as HikariCP tells it."""
    connections = {
        "hikaricp_connections": pool.active + pool.idle,
        "hikaricp_connections_active": pool.active,
        "hikaricp_connections_idle": pool.idle,
        "hikaricp_connections_max": pool.size,
        "hikaricp_connections_pending": pool.pending,
        "hikaricp_connections_timeout_total": pool.timeouts,
    }
    return gauges(connections, application)


def of_breakers(breakers: Iterable[Breaker], application: str) -> str:
    """Return how the circuit breakers are, as resilience4j tells it."""
    states = ["# TYPE resilience4j_circuitbreaker_state gauge"]
    calls = ["# TYPE resilience4j_circuitbreaker_calls_seconds summary"]
    shed = ["# TYPE resilience4j_circuitbreaker_not_permitted_calls_total counter"]
    for breaker in breakers:
        whose = (("application", application), ("name", breaker.name))
        now = breaker.state
        states += [
            _sample("resilience4j_circuitbreaker_state", (*whose, ("state", state)), int(state == now))
            for state in STATES
        ]
        calls += [
            _sample("resilience4j_circuitbreaker_calls_seconds_count", (*whose, ("kind", kind)), count)
            for kind, count in breaker.calls.items()
        ]
        shed.append(_sample("resilience4j_circuitbreaker_not_permitted_calls_total", whose, breaker.shed))
    return "\n".join([*states, *calls, *shed]) + "\n"


def of_cache(cache: Cache, application: str) -> str:
    """Return how often the cache had what was wanted."""
    lines = ["# TYPE cache_gets_total counter"]
    lines += [
        _sample("cache_gets_total", (("application", application), ("cache", "redis"), ("result", result)), count)
        for result, count in cache.results.items()
    ]
    return "\n".join(lines) + "\n"


def _sample(name: str, labels: Labels, value: float) -> str:
    pairs = ",".join(f'{key}="{text}"' for key, text in labels)
    return f"{name}{{{pairs}}} {value}"
