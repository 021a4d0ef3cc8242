"""Which of the toxics that stand hit one connection: each draws a lot for it, once, and keeps to it."""

from __future__ import annotations

import random

from chaoslab.network.toxics import Toxic


class Lots:
    """The lots of one connection."""

    def __init__(self, chance: random.Random) -> None:
        """Take where chance comes from."""
        self._chance = chance
        self._drawn: dict[str, tuple[Toxic, bool]] = {}

    def hit(self, toxic: Toxic) -> bool:
        """Say whether a toxic hits this connection: the same answer for as long as both last."""
        if toxic.share >= 1.0:
            return True
        known, is_hit = self._drawn.get(toxic.name, (None, False))
        if known is not toxic:  # another one of this name draws anew
            is_hit = self._chance.random() < toxic.share
            self._drawn[toxic.name] = toxic, is_hit
        return is_hit
