"""What a service read lately: served when nothing better can be had."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

SIZE = 10_000
Thing = dict[str, Any]


class Memory:
    """Things by their number; the one that was kept longest ago makes room."""

    def __init__(self, size: int | None = None) -> None:
        """Take how many it holds; 0 remembers nothing."""
        self._size = SIZE if size is None else size
        self._known: OrderedDict[int, Thing] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int) -> Thing | None:
        """Return the thing of this number, or None."""
        with self._lock:
            return self._known.get(number)

    def put(self, number: int, thing: Thing) -> None:
        """Remember a thing."""
        with self._lock:
            self._known[number] = thing
            self._known.move_to_end(number)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
