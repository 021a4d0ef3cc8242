"""The service's figures, in Prometheus's text format and under the names that Spring Boot gives them."""

from __future__ import annotations

import threading
from collections.abc import Mapping

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
    """Return plain figures for a scrape, each a gauge of the application."""
    lines = []
    for name, value in values.items():
        lines += [f"# TYPE {name} gauge", _sample(name, (("application", application),), value)]
    return "\n".join(lines) + "\n"


def _sample(name: str, labels: Labels, value: float) -> str:
    pairs = ",".join(f'{key}="{text}"' for key, text in labels)
    return f"{name}{{{pairs}}} {value:g}" if isinstance(value, float) else f"{name}{{{pairs}}} {value}"
