"""The steps around the disaster: what is hit, the disaster itself, and when it is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaoslab.core.units import format_duration
from chaoslab.postgres.connect import connect
from chaoslab.postgres.physical import disasters, standin
from chaoslab.postgres.physical.detection import DetectionWatch
from chaoslab.postgres.physical.disasters import DECLARED
from chaoslab.postgres.recovery_point.evidence import source_clock
from chaoslab.postgres.snapshot import ask
from chaoslab.postgres.telling import watch_serving
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.fault import Data, Fault
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step

CLIENT = "original"
"""The sampler that stands for the service: its questions to what the disaster hits."""
_watches: dict[str, DetectionWatch] = {}


@step("baseline")
def aim(stand_in: Mapping[str, Any], *, disaster: str = "drop-table", table: str = "") -> dict[str, Any]:
    """Choose what the disaster will hit, and begin to watch it as its service would.

    Args:
        stand_in: the output of `original`
        disaster: which one; `declared` hits nothing
        table: the table that is hit; '' takes the largest

    Raises:
        BadUsage: there is no such disaster.
        NothingToLose: there is no table with rows.
        ConnectFailed: the stand-in cannot be reached.
    """
    disasters.require_disaster(disaster)
    if disaster == DECLARED:
        return {"kind": DECLARED, "table": "", "file": "", "stand_in": dict(stand_in)}
    session, made = current(), standin.opened(stand_in)
    table = table or disasters.choose_table(made)
    with connect(made.dsn, who="the stand-in") as connection:
        query = "SELECT pg_relation_filepath(%s::regclass)"
        row = ask(lambda: connection.execute(query, [table]).fetchone(), f"the table {table}")
    sampler = session.sampler(CLIENT)
    watch = DetectionWatch(
        disasters.notices(made, disaster, table),
        now_s=session.now_s,
        add=sampler.add,
        noticed=lambda at_s: session.mark("detected", at_s),
    )
    _watches[session.run_id] = watch
    watch.start()
    return {"kind": disaster, "table": table, "file": str(row[0]) if row else "", "stand_in": dict(stand_in)}


def _inject(data: Data) -> dict[str, Any]:
    """Let it happen, or assume that it did, and begin to look for the recovered database."""
    session = current()
    watch = _watches.get(session.run_id)
    if watch is not None:
        watch.arm()
    if data["kind"] == DECLARED:
        clock_at = source_clock(data["source"], session.clock.mono)
        at_s = clock_at.mono_s
        told: dict[str, Any] = {
            "before_at": clock_at.source_s[0],
            "after_at": clock_at.source_s[1],
            "before_lsn": "",
            "table": "",
        }
        told |= {"kind": DECLARED, "restore_point": "", "before_mono_s": at_s, "after_mono_s": at_s}
    else:
        told = disasters.strike(data)
    session.mark("disaster", told["before_mono_s"] - session.log.origin_mono_s)
    watch_serving(session, data["smoke_sql"], detects=False)
    return told


def _is_effective(data: Data) -> bool:
    return data["kind"] == DECLARED or disasters.is_effective(data)


def _undo(data: Data) -> None:
    """Do nothing: the recovery is what is tried, and the stand-in is removed with its scratch folder."""


STRIKE = Fault(inject=_inject, effective=_is_effective, undo=_undo, momentary=True, effective_within_s=20.0)


@step("recover")
def detect(aim: Mapping[str, Any], disaster: Mapping[str, Any], *, within: str = "60s") -> dict[str, Any]:
    """Wait until the service's own question shows the disaster: when it did is the mark `detected`.

    Of a declared disaster there is nothing to see, so there is no such mark.

    Args:
        aim: the output of `aim`
        disaster: the output of `strike`
        within: how long it may take
    """
    session = current()
    if disaster["kind"] == DECLARED:
        return {"detected": False}
    watch = _watches.pop(session.run_id, None)
    if watch is None:
        return {"detected": False}
    until_s = session.now_s() + seconds("within", within)
    while not watch.saw.is_set() and session.now_s() < until_s:
        session.sleep(0.02)
    watch.stop()
    if not watch.saw.is_set():
        message = (
            f"the service's question did not show the disaster within {format_duration(seconds('within', within))}"
        )
        session.finding("disaster-not-detected", where=aim["table"] or "stand-in", message=message)
    return {"detected": watch.saw.is_set()}
