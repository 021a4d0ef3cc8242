"""The last step of the drill `backup-freshness`: what would be lost now, and one row for each database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaoslab.backup.freshness.evidence import by_database
from chaoslab.backup.freshness.survey import Seen, all_copies
from chaoslab.backup.freshness.telling import Told, places_of, told
from chaoslab.postgres.difference import Difference
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

type Bounds = tuple[float, float | None]
"""Seconds; None where nothing bounds it."""


@step("verify")
def conclude(
    stock: Mapping[str, Any],
    asked: Mapping[str, Any],
    ages: Mapping[str, Any],
    retention: Mapping[str, Any],
    sizes: Mapping[str, Any],
    contents: Mapping[str, Any],
    window: Mapping[str, Any],
    keeping: Mapping[str, Any],
) -> Told:
    """Say what would be lost if all but the backups were lost now, and write one row for each database.

    The loss is that of the database that fares worst, each by its best way back: its newest dump, or archived WAL.

    Args:
        stock: the output of `take_stock`
        asked: the output of `ask_source`
        ages: the output of `check_age`
        retention: the output of `check_retention`
        sizes: the output of `check_sizes`
        contents: the output of `check_contents`
        window: the output of `check_window`
        keeping: the output of `check_keeping`
    """
    session = current()
    places = places_of(stock)
    loss = worst_loss(ages["ages_s"], ages["without"], window.get("lost_s"))
    found = []
    if loss is None and all(seen.readable for seen in places) and window.get("readable", True):
        loss = (0.0, None)  # nothing is there to come back from
    if loss is None:
        message = "what would be lost is not known: there is no backup whose age could be read"
        found.append(Difference("recovery-point-unknown", "backups", message, severity="unknown"))
    else:
        session.figure("lost_s", loss, "s")  # type: ignore[arg-type]  # None: no upper bound
    session.figure("examined", int(stock["files"]) + int(window.get("files", 0)), "files")
    _rows(session, places, ages, [stock, asked, ages, retention, sizes, contents, window, keeping])
    return {**told(session, found), "lost_s": loss}


def worst_loss(
    ages_s: Mapping[str, Sequence[float]], without: Sequence[str], by_wal_s: Sequence[float] | None
) -> Bounds | None:
    """Return the bounds of what the worst-off database would lose; None when nothing tells.

    Args:
        ages_s: bounds of the age of the best dump of each database
        without: databases that have no dump
        by_wal_s: bounds of what recovery from base backups and archived WAL would lose, if that is possible
    """
    if by_wal_s is not None:
        wal_low_s, wal_high_s = by_wal_s
        best = [(min(low_s, wal_low_s), min(high_s, wal_high_s)) for low_s, high_s in ages_s.values()]
        best += [(wal_low_s, wal_high_s)] if without or not best else []
    else:
        best = [(low_s, high_s) for low_s, high_s in ages_s.values()]
        if without:
            return max((low_s for low_s, _ in best), default=0.0), None
    if not best:
        return None
    return max(low_s for low_s, _ in best), max(high_s for _, high_s in best)


def _rows(
    session: Session, places: Sequence[Seen], ages: Mapping[str, Any], outputs: Sequence[Mapping[str, Any]]
) -> None:
    """Write how each database fares, those without any backup too."""
    failed = {name for output in outputs for name in output.get("failed", ())}
    unknown = {name for output in outputs for name in output.get("unknown", ())}
    copies = by_database(all_copies(places))
    for name in sorted({*ages["ages_s"], *ages["without"]}):
        of_database = copies.get(name, [])
        figures: dict[str, Any] = {"backups": len(of_database)}
        if of_database:
            figures["bytes"] = of_database[-1].bytes
        if name in ages["ages_s"]:
            figures["age_s"] = round(ages["ages_s"][name][1], 3)
        outcome = "failed" if name in failed else "unknown" if name in unknown else "ok"
        session.part(name, outcome, **figures)  # type: ignore[arg-type]
