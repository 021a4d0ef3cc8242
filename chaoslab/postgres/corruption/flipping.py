"""The fault: bytes of a file in the run's own scratch folder are flipped. Never anywhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Refused
from chaoslab.postgres.corruption.places import Place
from chaoslab.postgres.servers.scratch import MARKER
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.session import current, has_session

_TTL_S = 60.0


def pinned_flip(place: Place, scratch: Mapping[str, str], *, what: str) -> Pinned:
    """Pin bytes to be flipped; touches nothing.

    Args:
        place: which bytes
        scratch: the output of the step `scratch`
        what: the kind of thing, for people

    Raises:
        Refused: the file is not in the scratch folder of this run.
    """
    folder = Path(scratch["folder"])
    require_own(place.file, folder, current().run_id if has_session() else "")
    return Pinned(
        target=f"{what}: {place.what} of {place.file.resolve().relative_to(folder.resolve())}",
        data={
            "file": str(place.file.resolve()),
            "scratch": str(folder),
            "patches": [
                {"offset": one.offset, "before": one.before.hex(), "after": one.after.hex()} for one in place.patches
            ],
            "in_use": place.in_use,
        },
        ttl_s=_TTL_S,
    )


def require_own(file: Path, folder: Path, run: str) -> None:
    """Refuse a file that is not really inside the scratch folder of this run, whatever links lead there.

    Args:
        file: what would be damaged
        folder: the scratch folder
        run: the run's identity, which the folder's marker must carry; '' while planning

    Raises:
        Refused: it is somebody's.
    """
    try:
        token = json.loads((folder / MARKER).read_text())["token"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused("target", f"{folder} is no scratch folder of ours, so nothing in it is damaged") from None
    if run and token != run:
        raise Refused("target", f"{folder} is the scratch folder of another run, so nothing in it is damaged")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise Refused("target", f"{file} is not in the scratch folder of this run, so it is not damaged")


def _inject(data: Data) -> dict[str, Any]:
    session = current()
    file = Path(data["file"])
    require_own(file, Path(data["scratch"]), session.run_id)
    opened = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for patch in data["patches"]:
            if os.pread(opened, len(patch["before"]) // 2, patch["offset"]).hex() != patch["before"]:
                raise Refused("target", f"{file.name} has changed since the place was chosen: nothing is damaged")
        for patch in data["patches"]:
            os.pwrite(opened, bytes.fromhex(patch["after"]), patch["offset"])
        flipped_s = session.now_s()
        os.fsync(opened)
    finally:
        os.close(opened)
    session.mark("disaster", flipped_s)
    return {**data, "flipped_s": flipped_s}


def is_flipped(data: Data) -> bool:
    """Say whether the file holds the flipped bytes, and something reads them: bytes in free space harm nobody."""
    try:
        with Path(data["file"]).open("rb") as stream:
            for patch in data["patches"]:
                stream.seek(patch["offset"])
                if stream.read(len(patch["after"]) // 2).hex() != patch["after"]:
                    return False
    except OSError:
        return False
    return bool(data["in_use"])


def _nothing(data: Data) -> None:
    """Leave the damage: it is over when it is done, recovering from it is what is tried, and its folder is removed."""


FLIP = Fault(inject=_inject, effective=is_flipped, undo=_nothing, momentary=True, effective_within_s=1.0)
