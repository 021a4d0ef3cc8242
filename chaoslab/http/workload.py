"""What a prober asks, one thing after the other: several requests in fixed shares, as many users would mix them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

from chaoslab.core.errors import BadUsage
from chaoslab.http.request import Request, request_of

VARIANTS_MAX = 1000
WEIGHTS_MAX = 10_000
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One kind of request of a workload."""

    url: str
    """`{1..50}` in it stands for each of these numbers in turn."""
    method: str = "GET"
    weight: int = 1
    expect: Collection[int] = (200,)
    """The statuses of a good answer."""
    body: bytes = field(default=b"", repr=False)
    """JSON to send along; may hold secrets."""

    @property
    def label(self) -> str:
        """Name the kind: `GET /appointments/{1..50}`."""
        return f"{self.method} {urlsplit(self.url).path or '/'}"


@dataclass(frozen=True, slots=True)
class Question:
    """The next thing to ask."""

    request: Request
    expect: frozenset[int]
    of: str
    """Which kind it is, for whoever reads what went wrong; '' where there is only one."""


class Workload:
    """Gives one question after the other, each kind as often as its weight, spread as evenly as can be."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        """Prepare all that will be sent.

        Raises:
            BadUsage: an address, a range or a weight makes no sense.
        """
        if not wanted or any(kind.weight < 1 for kind in wanted) or sum(kind.weight for kind in wanted) > WEIGHTS_MAX:
            raise BadUsage(f"requests: there must be one, with weights of 1 or more and {WEIGHTS_MAX} at most together")
        self._kinds = [cycle(_questions(kind, alone=len(wanted) == 1)) for kind in wanted]
        self._order = cycle(order_of([kind.weight for kind in wanted]))

    def next(self) -> Question:
        """Return what is to be asked now."""
        return next(self._kinds[next(self._order)])


def order_of(weights: Sequence[int]) -> list[int]:
    """Return the indexes of the weights, each as often as it weighs, none long after the other (smooth round robin)."""
    owed, order, total = [0] * len(weights), [], sum(weights)
    for _ in range(total):
        owed = [debt + weight for debt, weight in zip(owed, weights, strict=True)]
        turn = max(range(len(weights)), key=lambda index: owed[index])
        owed[turn] -= total
        order.append(turn)
    return order


def _questions(kind: Wanted, *, alone: bool) -> list[Question]:
    of = "" if alone else kind.label
    expect = frozenset(kind.expect)
    return [Question(request_of(url, method=kind.method, body=kind.body), expect, of) for url in _variants(kind.url)]


def _variants(url: str) -> list[str]:
    found = _RANGE.search(url)
    if found is None:
        return [url]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + VARIANTS_MAX:
        raise BadUsage(f"{found[0]}: a range goes up, by {VARIANTS_MAX} numbers at most")
    return [url[: found.start()] + str(number) + url[found.end() :] for number in range(first, last + 1)]
