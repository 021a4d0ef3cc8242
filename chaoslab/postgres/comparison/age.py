"""Compare a backup that somebody made some time ago with the live source, and say what its age explains.

Without a manifest nobody knows what the source looked like when it was dumped. But every row of the source
tells which transaction wrote it (see boundary.py): rows that are older than the backup must be in it, byte for
byte; what is newer, changed or deleted since is said and does not count against the backup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from chaoslab.postgres.comparison.boundary import find_boundary
from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.comparison.content import upcoming
from chaoslab.postgres.comparison.live_counts import compare_counts_with_live
from chaoslab.postgres.comparison.live_rows import Live, compare_rows_with_live
from chaoslab.postgres.comparison.locating import Copies, with_keys
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.facts import Facts, Level, collect_facts
from chaoslab.postgres.facts.hashing import method_for
from chaoslab.postgres.proofs.audit import compare_audit
from chaoslab.postgres.recovery_point.heartbeat import newest_beat
from chaoslab.postgres.server import server_major
from chaoslab.postgres.snapshot import ask, shared_snapshot

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection


def compare_with_live(live: Live, *, level: Level = "data") -> tuple[list[Difference], Facts, Facts]:
    """Return the differences, those that age explains as notes, and the facts of source and restored database.

    Args:
        live: the two databases
        level: `data` compares the content of rows, `counts` their number

    Raises:
        ConnectFailed: one of the two cannot be reached.
        CannotRead: something in them cannot be read.
    """
    restored = collect_facts(
        live.restored_dsn,
        who="the restored database",
        level=level,
        jobs=live.jobs,
        bootstrap=live.bootstrap,
        audit=live.audit,
        like={"row_hash": method_for(server_major(live.source_dsn))},  # the older of the two decides
    )
    newest = newest_beat(live.restored_dsn, who="the restored database", table=live.heartbeat)
    with live.connect_source() as source, shared_snapshot(source) as snapshot:
        boundary = find_boundary(source, newest, live.heartbeat)
        if isinstance(boundary, str):
            found, facts = _without_boundary(live, restored, snapshot, level=level, reason=boundary)
            return found, facts, restored
        facts = collect_facts(
            live.source_dsn,
            who="the source",
            level="structure",
            snapshot=snapshot,
            ages_since=boundary.settled_xid,
            statement_timeout_s=live.deadline_s,
        )
        found = _structure(facts, restored)
        if level == "counts":
            found += compare_counts_with_live(live, boundary, restored, source=source, snapshot=snapshot)
        else:
            rows = compare_rows_with_live(live, boundary, source=source, snapshot=snapshot)
            copies = Copies(live.source_dsn, live.restored_dsn, boundary.settled("r.xmin"))
            found += with_keys(rows, copies, show_keys=live.show_keys)
        found += _sequences(facts, restored, live.restored_dsn)
        found += _audit(live, restored, source)
        return found, facts, restored


def _without_boundary(
    live: Live, restored: Facts, snapshot: str, *, level: Level, reason: str
) -> tuple[list[Difference], Facts]:
    """Compare as if nothing had changed since; a difference then leaves the question open."""
    facts = collect_facts(
        live.source_dsn,
        who="the source",
        level=level,
        snapshot=snapshot,
        jobs=live.jobs,
        audit=live.audit,
        like=restored,
        statement_timeout_s=live.deadline_s,
    )
    why = f"; nothing tells whether the backup's age explains it: {reason}"
    certain = {"data-missing", "audit-chain-absent"}
    return [
        one
        if one.severity != "failure" or one.code in certain
        else replace(one, severity="unknown", message=one.message + why)
        for one in compare(facts, restored)
    ], facts


def _structure(source: Facts, restored: Facts) -> list[Difference]:
    return [_explained(one, source["ages"], source["settled_age"]) for one in compare(source, restored)]


def _explained(difference: Difference, ages: Mapping[str, Mapping[str, int]], settled_age: int) -> Difference:
    """Turn a difference into a note when the source's side of it was written after the backup."""
    if difference.severity != "failure" or not difference.kind:
        return difference
    if difference.code == "object-unexpected":
        return _unexpected(difference, ages, settled_age)
    age = ages.get(difference.kind, {}).get(difference.where)
    if age is None and difference.kind == "roles":
        message = f"{difference.message}; only a superuser of the source could tell whether it was made since"
        return replace(difference, message=message, severity="unknown")
    if age is None or not 0 <= age < settled_age:
        return difference
    message = f"{difference.message}: it was made or changed in the source after the backup"
    return replace(difference, code="explained-by-age", message=message, severity="note")


def _unexpected(difference: Difference, ages: Mapping[str, Mapping[str, int]], settled_age: int) -> Difference:
    """Judge what the backup has and the source has not: dropped since, or never there.

    A right is part of the row of the thing it is on, so that row tells when it was last taken away. What has a row
    of its own leaves no trace when it is dropped.
    """
    age = None
    if difference.kind == "grants":
        thing = difference.where.partition(" on ")[2].rpartition(" to ")[0]
        is_column = thing.startswith("column ")
        age = ages["columns"].get(thing.removeprefix("column ")) if is_column else ages["owners"].get(thing)
    elif difference.kind == "row_security":
        age = ages["tables"].get(difference.where)
    if age is not None and not 0 <= age < settled_age:
        return difference
    message = f"{difference.where} is in the backup and not in the source: taken away there since, it seems"
    return replace(difference, code="explained-by-age", message=message, severity="note")


def _sequences(source: Facts, restored: Facts, dsn: str) -> list[Difference]:
    """Find sequences that would hand out a number which a restored row has already.

    The source's sequences went on since, so that they stand further says nothing.
    """
    found = []
    with connect(dsn, who="the restored database") as connection:
        for name, rules in restored["structure"]["sequence_rules"].items():
            owner, position = rules.get("owned_by"), restored["sequences"].get(name)
            if not owner or position is None or name not in source["structure"]["sequence_rules"]:
                continue
            table, column = owner
            step = rules["increment"]
            edge = "max" if step > 0 else "min"
            query = f"SELECT {edge}({column}) FROM {table}"  # noqa: S608 - quoted by the server
            row = ask(lambda query=query: connection.execute(query).fetchone(), name)  # type: ignore[misc]
            used = row[0] if row else None
            following = upcoming(position, step)
            if used is not None and (following - used) * step <= 0:
                message = f"sequence {name} would hand out numbers that rows of {table} have already"
                found.append(
                    Difference(
                        "sequence-behind",
                        name,
                        message,
                        expected=f"next value beyond {used}",
                        actual=f"next value {following}",
                    )
                )
    return found


def _audit(live: Live, restored: Facts, source: Connection) -> list[Difference]:
    """Judge the restored chain by itself, and its head against the same row of the source."""
    if live.audit is None or "audit" not in restored:
        return []
    rule, actual = live.audit, restored["audit"]
    found = list(compare_audit(None, actual))
    query = f"SELECT {rule.hash}::text FROM {rule.table} WHERE {rule.order}::text = %s"  # noqa: S608
    row = ask(lambda: source.execute(query, [actual["last"]]).fetchone(), f"the audit log {rule.table}")
    if actual["rows"] and (row is None or row[0] != actual["head"]):
        message = f"the head of the restored hash chain of {rule.table} is not what the source has there"
        found.append(Difference("audit-chain-broken", rule.table, message))
    return found
