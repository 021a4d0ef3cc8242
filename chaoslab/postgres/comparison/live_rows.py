"""Compare the rows of a backup with those of the live source, as far as these are older than the backup."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaoslab.postgres.comparison.boundary import Boundary
from chaoslab.postgres.comparison.content import data_missing, is_emptied
from chaoslab.postgres.comparison.multiset import Inclusion, bucket_count, include
from chaoslab.postgres.connect import connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.facts import content
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.proofs.row_security import Viewer
from chaoslab.postgres.recovery_point.heartbeat import TABLE
from chaoslab.postgres.snapshot import Team, ask, shared_snapshot

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

_ONCE = "OFFSET 0"
"""Keeps the planner from merging the inner query into the outer one, where it would hash each row several times."""

type _Sums = dict[int, tuple[int, int]]
"""bucket -> (rows, sum of their hashes)"""


@dataclass(frozen=True, slots=True)
class Live:
    """A live source and the database that was restored from an older backup of it."""

    source_dsn: str
    restored_dsn: str
    bootstrap: str
    """The name of the source's first superuser."""
    jobs: int = 2
    heartbeat: str = TABLE
    audit: AuditRule | None = None
    show_keys: bool = True
    """Whether findings may name rows by their primary keys."""
    viewers: tuple[Viewer, ...] = ()
    """Whose view of tables with policies is tried, besides the roles that these policies name."""
    deadline_s: float = 4 * 3600.0
    """After so many seconds the source itself ends a statement of ours."""

    def connect_source(self) -> Connection:
        """Connect to the source."""
        return connect(self.source_dsn, who="the source", statement_timeout_s=self.deadline_s)


@dataclass(frozen=True, slots=True)
class _Compared:
    """One table, looked at on both sides."""

    name: str
    settled: int
    """Rows of the source that the backup must have."""
    backup: int
    """Rows that the backup has."""
    rows: Inclusion


def compare_rows_with_live(live: Live, boundary: Boundary, *, source: Connection, snapshot: str) -> list[Difference]:
    """Return the rows that the backup must have and has not, and notes on what its age explains.

    Args:
        live: the two databases
        boundary: which rows of the source are older than the backup
        source: a connection to the source, in the snapshot
        snapshot: the snapshot of the source to look at
    """
    with ExitStack() as stack:
        restored = stack.enter_context(connect(live.restored_dsn, who="the restored database"))
        other = stack.enter_context(shared_snapshot(restored))
        sources = stack.enter_context(Team(live.connect_source, snapshot, live.jobs))
        backups = stack.enter_context(
            Team(lambda: connect(live.restored_dsn, who="the restored database"), other, live.jobs)
        )
        scans = [
            (same, sources.submit(_source_scan(same, boundary)), backups.submit(_backup_scan(same)))
            for same in _shared(content.relations(source), content.relations(restored))
        ]
        compared = [
            _compare_one(relation, boundary, scan, twin, sources=sources, backups=backups)
            for relation, scan, twin in scans
        ]
        return [*_told(compared, boundary), *_large_objects(source, restored, boundary)]


def _shared(source: list[content.Relation], backup: list[content.Relation]) -> Iterator[content.Relation]:
    """Yield the tables that both sides have, with the columns that both have.

    A column that was added to the source since must not make all its rows look changed.
    """
    there = {one.name: one for one in backup}
    for relation in source:
        twin = there.get(relation.name)
        if twin is not None and not (relation.materialized or twin.materialized or relation.condition):
            columns = tuple(name for name in relation.columns if name in twin.columns)
            yield content.Relation(relation.name, columns, estimate=relation.estimate)


def _compare_one(
    relation: content.Relation,
    boundary: Boundary,
    source_scan: Future[tuple[_Sums, _Sums]],
    backup_scan: Future[_Sums],
    *,
    sources: Team,
    backups: Team,
) -> _Compared:
    (settled, young), backup = source_scan.result(), backup_scan.result()
    verdict = include(
        settled,
        young,
        backup,
        fetch_source=lambda dirty: sources.submit(_source_hashes(relation, boundary, dirty)).result(),
        fetch_backup=lambda dirty: backups.submit(_backup_hashes(relation, dirty)).result(),
    )
    return _Compared(relation.name, _total(settled), _total(backup), verdict)


def _told(compared: list[_Compared], boundary: Boundary) -> Iterator[Difference]:
    expected = {one.name: {"rows": one.settled} for one in compared}
    emptied = is_emptied(expected, {one.name: {"rows": one.backup} for one in compared})
    if emptied:
        yield data_missing(expected)
    for one in compared:
        if one.rows.missing and not emptied:
            yield _missing_rows(one)
        elif not one.rows.exact and not emptied:
            yield Difference(
                "rows-not-compared",
                one.name,
                f"too many rows of {one.name} were changed since the backup to tell whether it lacks others",
                expected=one.settled,
                actual=one.backup,
                severity="unknown",
            )
        elif one.rows.gone or one.rows.newer:
            parts = [f"{one.rows.newer} rows came"] * bool(one.rows.newer)
            parts += [f"{one.rows.gone} rows were changed or deleted"] * bool(one.rows.gone)
            yield Difference(
                "explained-by-age",
                one.name,
                f"{one.name}: {' and '.join(parts)} since the backup, whose newest beat is of {boundary.newest_at}",
                expected=one.settled,
                actual=one.backup,
                severity="note",
            )


def _missing_rows(one: _Compared) -> Difference:
    at_least = "" if one.rows.exact else "at least "
    return Difference(
        "row-count-differs" if one.backup < one.settled else "content-differs",
        one.name,
        f"{at_least}{one.rows.missing} rows of {one.name} are older than the backup, but not in it as they are",
        expected=one.settled,
        actual=one.backup,
    )


def _source_scan(relation: content.Relation, boundary: Boundary) -> Callable[[Connection], tuple[_Sums, _Sums]]:
    def scan(connection: Connection) -> tuple[_Sums, _Sums]:
        query = f"""
            SELECT settled, hash & {bucket_count(relation.estimate) - 1}, count(*), sum(hash) FROM (
                SELECT {boundary.settled("r.xmin")} AS settled, {relation.row_hash} AS hash
                FROM ONLY {relation.name} r {_ONCE}) hashed GROUP BY 1, 2
        """  # noqa: S608 - names that the server has quoted
        rows = ask(lambda: connection.execute(query).fetchall(), relation.name)
        sides: tuple[_Sums, _Sums] = ({}, {})
        for settled, bucket, count, total in rows:
            sides[0 if settled else 1][bucket] = (count, int(total))
        return sides

    return scan


def _backup_scan(relation: content.Relation) -> Callable[[Connection], _Sums]:
    def scan(connection: Connection) -> _Sums:
        query = f"""
            SELECT hash & {bucket_count(relation.estimate) - 1}, count(*), sum(hash) FROM (
                SELECT {relation.row_hash} AS hash FROM ONLY {relation.name} {_ONCE}) hashed GROUP BY 1
        """  # noqa: S608
        rows = ask(lambda: connection.execute(query).fetchall(), relation.name)
        return {bucket: (count, int(total)) for bucket, count, total in rows}

    return scan


def _source_hashes(
    relation: content.Relation, boundary: Boundary, buckets: list[int]
) -> Callable[[Connection], tuple[array[int], array[int]]]:
    def fetch(connection: Connection) -> tuple[array[int], array[int]]:
        settled = boundary.settled("r.xmin")
        return _hashes(connection, relation, buckets, settled), _hashes(connection, relation, buckets, f"NOT {settled}")

    return fetch


def _backup_hashes(relation: content.Relation, buckets: list[int]) -> Callable[[Connection], array[int]]:
    return lambda connection: _hashes(connection, relation, buckets, "true")


def _hashes(connection: Connection, relation: content.Relation, buckets: list[int], condition: str) -> array[int]:
    """Return the hashes of the rows that fall into some buckets, packed: as rows they would take many times as long."""
    query = f"""
        SELECT string_agg(int8send(hash), '') FROM (
            SELECT {relation.row_hash} AS hash FROM ONLY {relation.name} r WHERE {condition} {_ONCE}) hashed
        WHERE hash & {bucket_count(relation.estimate) - 1} = ANY (%s::bigint[])
    """  # noqa: S608
    row = ask(lambda: connection.execute(query, [buckets], binary=True).fetchone(), relation.name)
    found = array("q", row[0] if row and row[0] else b"")
    if sys.byteorder == "little":
        found.byteswap()  # the server sends the most significant byte first
    return found


def _large_objects(source: Connection, restored: Connection, boundary: Boundary) -> Iterator[Difference]:
    """Compare large objects one by one. A catalog row tells when one was made, nothing when it was written."""
    query = "SELECT oid, md5(lo_get(oid)), {} FROM pg_largeobject_metadata m"
    settled = query.format(boundary.settled("m.xmin"))
    theirs = ask(lambda: source.execute(settled).fetchall(), "the source's large objects")
    ours = ask(lambda: restored.execute(query.format("true")).fetchall(), "the restored large objects")
    there = {number: digest for number, digest, _ in ours}
    missing = [number for number, _, is_settled in theirs if is_settled and number not in there]
    changed = [number for number, digest, _ in theirs if there.get(number, digest) != digest]
    if missing:
        message = f"{len(missing)} large objects are older than the backup, but not in it"
        yield Difference("large-objects-differ", "large objects", message, expected=len(theirs), actual=len(ours))
    if changed:
        message = f"{len(changed)} large objects differ; nothing tells whether they were written since the backup"
        yield Difference("large-objects-differ", "large objects", message, severity="unknown", actual=len(changed))


def _total(buckets: Mapping[int, tuple[int, int]]) -> int:
    return sum(count for count, _ in buckets.values())
