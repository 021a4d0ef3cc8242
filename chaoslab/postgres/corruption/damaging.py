"""The steps of the disaster: flip bytes, and make sure that it means something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.corruption.flipping import FLIP, is_flipped, pinned_flip
from chaoslab.postgres.corruption.places import NoPlace, Place, file_place, heap_place, index_place, wal_place
from chaoslab.postgres.physical import standin
from chaoslab.runtime.fault import Pinned
from chaoslab.runtime.steps import step

WHERE = ("data", "silent", "free")


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
    return pinned_flip(_place(what, stand_in, settled, backups, where=where), scratch, what=what)


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


def require_place(what: str, where: str) -> None:
    """Refuse places that a kind of thing does not have.

    Raises:
        BadUsage: says what to choose of.
    """
    if where not in WHERE:
        raise BadUsage(f"where: '{where}' is no place to flip bytes; choose one of {', '.join(WHERE)}")
    if where == "silent" and what != "heap":
        raise BadUsage(f"where: a damaged {what} has no page checksum to put right; choose data or free")


def _place(
    what: str, stand_in: Mapping[str, Any], settled: Mapping[str, Any], backups: Mapping[str, Any], *, where: str
) -> Place:
    made, free, checksums = standin.opened(stand_in), where == "free", bool(settled["checksums"])
    if what == "heap":
        file = made.cluster.data / settled["file"]
        return heap_place(file, silent=where == "silent", free=free, checksums=checksums)
    if what == "index":
        return index_place(made.cluster.data / settled["file"], free=free, checksums=checksums)
    if what == "wal":
        return wal_place(_segment(made), free=free)
    newest = Path(backups["backups"][-1])
    copied = newest / settled["file"]
    if copied.exists():
        return heap_place(copied, free=free)
    return file_place(max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size))


def _segment(made: standin.StandIn) -> Path:
    """Return the newest segment that was noted: no recovery from any backup to the end gets past it."""
    noted = sorted(json.loads((made.scratch / "archive.json").read_text()))
    if not noted:
        raise NoPlace("no WAL was archived since the newest backup")
    return made.archive / str(noted[-1])
