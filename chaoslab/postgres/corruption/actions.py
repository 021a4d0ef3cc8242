"""The steps of a corruption drill, the disaster among them: flip bytes, and make sure that it means something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.corruption.damaging import place_of, require_place
from chaoslab.postgres.corruption.flipping import FLIP, is_flipped, pinned_flip
from chaoslab.postgres.corruption.noticing import detect
from chaoslab.postgres.corruption.proving import verify
from chaoslab.postgres.corruption.recovering import recover
from chaoslab.postgres.corruption.settling import back_up, settle
from chaoslab.runtime.fault import Pinned
from chaoslab.runtime.steps import step

__all__ = ["back_up", "confirm", "corrupt", "detect", "recover", "settle", "verify"]


class WithoutEffect(ChaoslabError):
    """What was flipped harms nobody, so nothing would be proved."""


@step("inject")
@FLIP.action
def corrupt(
    stand_in: Mapping[str, Any],
    settled: Mapping[str, Any],
    backups: Mapping[str, Any],
    scratch: Mapping[str, str],
    *,
    where: str = "data",
) -> Pinned:
    """Flip bytes of the stand-in, of its archived WAL or of its newest base backup, while the stand-in runs.

    Args:
        stand_in: the output of `stand_in`
        settled: the output of `settle`, which says what is hit
        backups: the output of `back_up`
        scratch: the output of `scratch`; nothing outside of this folder is ever damaged
        where: `data`: a row, an entry, a record, the middle of a file; `silent`: one bit of a row, with the page's
            checksum put right; `free`: where nothing is stored, which harms nobody and shows that the drill notices

    Raises:
        BadUsage: `where` makes no sense.
        NoPlace: there is nothing to flip.
        Refused: the file is not in the scratch folder of this run, or has just changed.

    Blast radius: some bytes of one file in the run's own scratch folder.
    Undo: none: recovering from it is what is tried, and the scratch folder is removed at the end.
    Effective when: the file holds the flipped bytes, and something reads them.
    """
    what = settled["what"]
    require_place(what, where)
    return pinned_flip(place_of(what, stand_in, settled, backups, where=where), scratch, what=what)


@step("inject")
def confirm(damage: Mapping[str, Any]) -> dict[str, Any]:
    """Stop here when what was flipped is read by nobody, or was overwritten: whatever followed would prove nothing.

    Args:
        damage: the output of `corrupt`

    Raises:
        WithoutEffect: it is so.
    """
    if not damage["in_use"]:
        raise WithoutEffect("the flipped bytes are stored nowhere that is read: nothing is damaged")
    if not is_flipped(damage):
        raise WithoutEffect("the flipped bytes were overwritten: nothing is damaged any more")
    return dict(damage)
