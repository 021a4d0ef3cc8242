"""The steps of a point-in-time drill. Each calls the library and tells the session what came of it."""

from __future__ import annotations

from chaoslab.postgres.physical.concluding import measure_loss, prove, take_reference, tell_window
from chaoslab.postgres.physical.preparing import backups, original, stand_in
from chaoslab.postgres.physical.rebuilding import archive_the_rest, recover
from chaoslab.postgres.physical.striking import aim, detect, strike

__all__ = [
    "aim",
    "archive_the_rest",
    "backups",
    "detect",
    "measure_loss",
    "original",
    "prove",
    "recover",
    "stand_in",
    "strike",
    "take_reference",
    "tell_window",
]
