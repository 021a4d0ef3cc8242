"""Tell the session what the library found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chaoslab.postgres.comparison.compare import condensed
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.proofs.serving import SAMPLER, ServingWatch
from chaoslab.postgres.recovery_point.heartbeat import RecoveryPoint
from chaoslab.runtime.runlog import NAME, read_events
from chaoslab.runtime.session import Session

_watches: dict[str, ServingWatch] = {}
"""The watch of the run in progress, by run: steps of one drill share it."""


def tell(session: Session, differences: Sequence[Difference]) -> int:
    """Make findings of differences, the many of one kind condensed, and return how many are failures."""
    for one in condensed(differences):
        session.finding(
            one.code,
            severity=one.severity,
            where=one.where,
            message=one.message,
            expected=one.expected,
            actual=one.actual,
        )
    return sum(one.severity == "failure" for one in differences)


def tell_point(session: Session, point: RecoveryPoint) -> dict[str, Any]:
    """Note what was lost, or that nobody knows; return it as the output of a step."""
    if point.lost_s is None:
        message = f"what was lost is not known: {point.reason}"
        session.finding("recovery-point-unknown", severity="unknown", where="backup", message=message)
    else:
        session.figure("lost_s", point.lost_s, "s")  # type: ignore[arg-type]  # None: no upper bound
        if point.lost_rows is not None:
            session.figure("lost_rows", point.lost_rows, "rows")
    return {"method": point.method, "lost_s": point.lost_s, "lost_rows": point.lost_rows}


def tell_profile(session: Session, profile: str, where: str) -> None:
    """Note that a server with the settings of `verify` is no measure of a production's."""
    if profile == "verify":
        message = "fsync is off, so these times are not a production's; profile=rta measures those"
        session.finding("faster-than-production", severity="note", where=where, message=message)


def watch_serving(session: Session, question: str = "", *, detects: bool = True) -> ServingWatch:
    """Return the watch over the recovered database of this run; the first call starts it.

    Args:
        session: the run
        question: SQL that the service lives on
        detects: its first bad sample is when the disaster was detected; not so where something else watches for that
    """
    watch = _watches.get(session.run_id)
    if watch is None:
        for stale in _watches.values():
            stale.stop()
        _watches.clear()
        watch = ServingWatch(
            now_s=session.now_s,
            add=session.sampler(SAMPLER).add,
            first_bad=lambda at_s: session.mark("detected", at_s) if detects else None,
            first_good=lambda at_s: session.mark("serving", at_s),
            question=question,
        )
        _watches[session.run_id] = watch
        watch.start()
    return watch


def end_watch(session: Session) -> None:
    """End the watch of this run, if it has one, once it has asked the database that was handed over."""
    watch = _watches.pop(session.run_id, None)
    if watch is not None:
        watch.await_answer()  # what is verified serves: a quick check must not be over before that was seen
        watch.stop()


def objective_s(session: Session, name: str) -> float | None:
    """Return an objective of this run in seconds, as its log has it; None if it has none of that name."""
    for event in read_events(session.folder / NAME):
        if event["kind"] == "run-started":
            targets = [one["target"] for one in event.get("objectives", ()) if one["name"] == name]
            return float(targets[0]) if targets else None
    return None
