"""How far something is, in words: done, rate, time left."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from chaoslab.core.units import format_duration, format_share, format_size

_WINDOW_S = 30.0
"""The rate is that of the last half minute: it changes when a large thing is done and small ones are left."""
_ENOUGH_S = 2.0


class Progress:
    """Follows one figure on its way to its end."""

    def __init__(self) -> None:
        self.what = ""
        self._seen: deque[tuple[float, float]] = deque()
        self._total = 0.0
        self._unit = ""
        self._note = ""

    def take(self, event: Mapping[str, Any]) -> None:
        """Take how far it is now; another thing that is done begins anew."""
        if event["what"] != self.what:
            self.what = str(event["what"])
            self._seen.clear()
        self._total, self._unit, self._note = float(event["total"]), str(event["unit"]), str(event.get("note", ""))
        self._seen.append((float(event["mono_s"]), float(event["done"])))
        while len(self._seen) > 2 and self._seen[-1][0] - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return min(1.0, self._seen[-1][1] / self._total) if self._seen and self._total > 0 else 0.0

    def text(self) -> str:
        """Return it in one line: `412 MiB of 1.2 GiB (34%), 55 MiB/s, 14s left: shop, billing`."""
        if not self._seen:
            return ""
        done = self._seen[-1][1]
        words = [f"{self._amount(done)} of {self._amount(self._total)} ({format_share(round(self.share, 2))})"]
        if rate := self._rate():
            words += [f"{self._amount(rate)}/s", f"{format_duration(round((self._total - done) / rate))} left"]
        return ", ".join(words) + (f": {_short(self._note)}" if self._note else "")

    def _rate(self) -> float:
        (begun_s, before), (now_s, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now_s - begun_s) if now_s - begun_s >= _ENOUGH_S else 0.0

    def _amount(self, value: float) -> str:
        return format_size(round(value)) if self._unit == "bytes" else f"{value:,.0f} {self._unit}"


def _short(text: str, length: int = 70) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
