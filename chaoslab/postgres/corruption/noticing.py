"""The step that measures how long it takes until somebody notices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaoslab.postgres.codes import Severity
from chaoslab.postgres.corruption.detecting import Detection, chosen
from chaoslab.postgres.corruption.detecting import detect as let_look
from chaoslab.postgres.corruption.detectors.seeing import Ground
from chaoslab.postgres.physical import standin
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

CLIENT = "client"
"""The sampler that stands for the service: its reads of the damaged server."""


@step("verify")
def detect(
    stand_in: Mapping[str, Any],
    settled: Mapping[str, Any],
    backups: Mapping[str, Any],
    damage: Mapping[str, Any],
    *,
    detectors: str = "all",
    bin_dir: str = "",
    deadline: str = "1h",
) -> dict[str, Any]:
    """Let every detector look, all at once, and note when each of them saw the damage. The first one sets `detected`.

    With `all`, one that is not available is a warning; one that was named and could not look leaves the run
    inconclusive. Damage that none of them sees is a failure.

    Args:
        stand_in: the output of `stand_in`
        settled: the output of `settle`
        backups: the output of `back_up`
        damage: the output of `corrupt`
        detectors: `all` that can see that kind of damage, or names with commas between
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long each may look

    Raises:
        BadUsage: `detectors` names one that there is not.
    """
    session, made = current(), standin.opened(stand_in)
    looking = chosen(detectors, settled["what"])
    ground = ground_of(
        made, backups, bin_dir=bin_dir, major=stand_in["major"], deadline_s=seconds("deadline", deadline)
    )
    named, told = detectors.strip() != "all", []
    for one in let_look(looking, ground, session.now_s):
        _tell(session, one, flipped_s=damage["flipped_s"], named=named)
        told.append(one)
    saw = [one for one in told if one.seen.sight == "saw"]
    if saw:
        session.figure("detect_s", round(min(one.at_s for one in saw) - damage["flipped_s"], 3), "s")
    else:
        _tell_unseen(session, told, settled["what"])
    return {"saw": [one.detector.name for one in saw], "looked": [one.detector.name for one in told]}


def ground_of(
    made: standin.StandIn, backups: Mapping[str, Any], *, bin_dir: str, major: int, deadline_s: float
) -> Ground:
    """Return where detectors look: a stand-in, its archive and its base backups."""
    session = current()
    sampler = session.sampler(CLIENT)

    def sample(latency_s: float, good: bool, note: str) -> None:
        sampler.add(session.now_s() - latency_s, latency_s, good, note[:80])

    repository = open_repository("folder", backups=backups["folder"], wal=str(made.archive))
    return Ground(
        cluster=made.cluster,
        database=made.database,
        binaries=find_binaries(major, bin_dir),
        archive=made.archive,
        checksums=json.loads((made.scratch / "archive.json").read_text()),
        expected=json.loads((made.scratch / "expected.json").read_text()),
        repository=repository,
        backups=tuple(repository.backups()),
        folders=tuple(map(Path, backups["backups"])),
        deadline_s=deadline_s,
        watch=session.check_abort,
        sample=sample,
    )


def _tell(session: Session, one: Detection, *, flipped_s: float, named: bool) -> None:
    name, seen = one.detector.name, one.seen
    after_s = round(one.at_s - flipped_s, 3)
    if seen.sight == "saw":
        session.mark("detected", one.at_s)
        session.figure(f"{name.replace('-', '_')}_s", after_s, "s")
    if seen.sight != "unknown":
        session.part(name, "ok", saw="yes" if seen.sight == "saw" else "no", after_s=after_s, said=seen.message)
        return
    if named:
        session.part(name, "unknown", saw="not known", said=seen.message)
    message = f"{name} could not look: {seen.message}"
    severity: Severity = "unknown" if named else "warning"
    session.finding("detector-not-available", severity=severity, where=name, message=message)


def _tell_unseen(session: Session, told: Sequence[Detection], what: str) -> None:
    looked = [one.detector.name for one in told if one.seen.sight == "clean"]
    if looked:
        message = f"the damaged {what} was seen by none of {', '.join(looked)}"
        session.finding("corruption-not-detected", where=what, message=message, expected="seen", actual="not seen")
    else:
        message = f"no detector could look at the damaged {what}"
        session.finding("detection-unknown", severity="unknown", where=what, message=message)
