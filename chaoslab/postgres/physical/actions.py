"""The steps of a point-in-time drill. Each calls the library and tells the session what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaoslab.postgres.physical.concluding import measure_loss, prove, take_reference, tell_window
from chaoslab.postgres.physical.disasters import DECLARED
from chaoslab.postgres.physical.preparing import backups, original, stand_in
from chaoslab.postgres.physical.rebuilding import archive_the_rest, recover
from chaoslab.postgres.physical.striking import STRIKE, aim, detect
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.fault import Pinned
from chaoslab.runtime.steps import step

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


@step("inject")
@STRIKE.action
def strike(aim: Mapping[str, Any], source: str = "", smoke_sql: str = "", ttl: str = "1h") -> Pinned:
    """Let the disaster happen to the stand-in; with `declared`, nothing happens, and the source counts as lost.

    Args:
        aim: the output of `aim`
        source: asked for its clock when the disaster is declared
        smoke_sql: a query that the service lives on, for the samples of the recovered database
        ttl: the fault is over as soon as it bit

    Raises:
        ChaoslabError: it did not happen: the stand-in refused.

    Blast radius: the stand-in that this run made in its own scratch folder, and no other server.
    Undo: none: recovering from it is what is tried, and the stand-in is removed with its scratch folder.
    Effective when: the service's question to the stand-in shows it.
    """
    made = aim["stand_in"]
    data = {"kind": aim["kind"], "table": aim["table"], "file": aim["file"], "source": source, "smoke_sql": smoke_sql}
    where = {"scratch": made.get("scratch", ""), "database": made.get("database", "")}
    what = f" ({aim['table']})" if aim["table"] and aim["kind"] not in ("kill-server", "remove-data") else ""
    target = (
        "nothing: the source is assumed to be lost" if aim["kind"] == DECLARED else f"stand-in: {aim['kind']}{what}"
    )
    return Pinned(target=target, data={**data, **where}, ttl_s=seconds("ttl", ttl))
