"""What a prober saw, sample by sample, in columns of plain numbers: ten minutes at a thousand a second take 12 MB."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload


class Sample(NamedTuple):
    """One question to a service and its answer."""

    at_s: float
    """When it was due, in seconds of the run: a late one is charged with its lateness."""
    latency_s: float
    """From the instant it was due to the answer, or to giving up."""
    good: bool
    note: str = ""
    """What was wrong, in a few words: `503`, `timeout`, `refused`."""


class Stall(NamedTuple):
    """A stretch of the run between two beats of a prober's clock that should have been closer."""

    begin_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """How long it was, in seconds."""
        return self.end_s - self.begin_s


class Samples(Sequence[Sample]):
    """Samples in the order in which they were due."""

    def __init__(self, taken: Iterable[Sample] = ()) -> None:
        """Take these, in any order."""
        self._at_s, self._latency_s = array("d"), array("d")
        self._kinds = array("I")  # whether it was good and what was noted: few of them, so each is kept once
        self._known: list[tuple[bool, str]] = []
        self._kind_of: dict[tuple[bool, str], int] = {}
        for sample in taken:
            self.add(sample)

    @classmethod
    def of(cls, taken: Iterable[Sample]) -> Samples:
        """Return samples as they are when they are in columns already, else in columns."""
        return taken if isinstance(taken, cls) else cls(taken)

    def add(self, sample: Sample) -> None:
        """Take a sample where it belongs: answers come nearly in the order of their questions."""
        what = (sample.good, sample.note)
        kind = self._kind_of.get(what)
        if kind is None:
            kind = self._kind_of[what] = len(self._known)
            self._known.append(what)
        if not self._at_s or sample.at_s >= self._at_s[-1]:
            self._at_s.append(sample.at_s)
            self._latency_s.append(sample.latency_s)
            self._kinds.append(kind)
        else:
            place = bisect_right(self._at_s, sample.at_s)
            self._at_s.insert(place, sample.at_s)
            self._latency_s.insert(place, sample.latency_s)
            self._kinds.insert(place, kind)

    def between(self, begin_s: float, end_s: float) -> Samples:
        """Return those that were due from one instant on, and before another one."""
        return self._part(slice(bisect_left(self._at_s, begin_s), bisect_left(self._at_s, end_s)))

    def __len__(self) -> int:
        return len(self._at_s)

    def __iter__(self) -> Iterator[Sample]:
        known = self._known
        for at_s, latency_s, kind in zip(self._at_s, self._latency_s, self._kinds, strict=True):
            yield Sample(at_s, latency_s, *known[kind])

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Samples: ...

    def __getitem__(self, index: int | slice) -> Sample | Samples:
        if isinstance(index, slice):
            return self._part(index)
        return Sample(self._at_s[index], self._latency_s[index], *self._known[self._kinds[index]])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]

    def _part(self, places: slice) -> Samples:
        part = Samples()
        part._at_s, part._latency_s = self._at_s[places], self._latency_s[places]
        part._kinds, part._known, part._kind_of = self._kinds[places], list(self._known), dict(self._kind_of)
        return part


def _same(one: object, other: object) -> bool:
    return one == other
