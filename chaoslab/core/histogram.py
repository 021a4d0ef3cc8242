"""Latencies counted in logarithmic cells: any number of them in little memory, and percentiles with a known error.

A cell reaches from one power of STEP to the next and knows the least and the greatest value that fell into it. So the
bounds of a percentile are values that really occurred; they lie less than ERROR apart, and are equal where all values
of a cell are. Counts add up: the histogram of a minute is the sum of those of its seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from chaoslab.core.units import format_share

STEP = 1.005
ERROR = STEP - 1
"""How much greater the high bound of a percentile is than the low one at most, as a share of it."""
LEAST = 1e-6
"""Values below this, in seconds, count as alike: no clock tells them apart."""
HOW_EXACT = f"percentiles are never too low, and at most {format_share(ERROR)} too high"
_PER_E = 1 / math.log(STEP)
_LOWEST, _BOUNDLESS = -(10**9), 10**9


class Histogram:
    """How often which values occurred."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        """Count these values; infinity stands for what never came."""
        self._cells: dict[int, list[float]] = {}  # number of the cell -> [how many, the least, the greatest]
        self.count = 0
        for value in values:
            self.add(value)

    def add(self, value: float) -> None:
        """Count a value of zero or more."""
        self.count += 1
        number = _cell_of(value)
        cell = self._cells.get(number)
        if cell is None:
            self._cells[number] = [1, value, value]
            return
        cell[0] += 1
        if value < cell[1]:
            cell[1] = value
        elif value > cell[2]:
            cell[2] = value

    def merge(self, other: Histogram) -> None:
        """Count all that another one has counted, as if it had been counted here."""
        self.count += other.count
        for number, (count, least, greatest) in other._cells.items():
            known = self._cells.setdefault(number, [0, least, greatest])
            self._cells[number] = [known[0] + count, min(known[1], least), max(known[2], greatest)]

    def percentile(self, percent: float) -> tuple[float, float]:
        """Return bounds of the smallest value that at least `percent` of the values do not exceed (nearest rank).

        Raises:
            ValueError: nothing was counted.
        """
        if not self.count:
            raise ValueError("a percentile of nothing")
        rank = max(1, math.ceil(self.count * percent / 100))
        for number in sorted(self._cells):
            count, least, greatest = self._cells[number]
            rank -= int(count)
            if rank <= 0:
                return least, greatest
        raise AssertionError("a percentile beyond 100")

    @property
    def cells(self) -> int:
        """How many cells are in use: what it takes of memory."""
        return len(self._cells)


def _cell_of(value: float) -> int:
    if value < LEAST:
        return _LOWEST
    return math.floor(math.log(value) * _PER_E) if value < math.inf else _BOUNDLESS
