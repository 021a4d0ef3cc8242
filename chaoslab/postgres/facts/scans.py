"""Scan everything that a database stores, on the connections of a team, the largest first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal

from chaoslab.postgres.facts import content, large_objects, sequences
from chaoslab.postgres.facts.hashing import Method
from chaoslab.postgres.proofs.audit import AuditRule, audit_facts
from chaoslab.postgres.snapshot import Team, ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

type _Found = Future[dict[str, Any]]


class Scans:
    """What was begun to be read, and what came of it."""

    def __init__(self, team: Team, leader: Connection, *, level: Literal["counts", "data"], method: Method) -> None:
        """Take who reads, how deep, and how rows are hashed."""
        self._team, self._leader, self._method = team, leader, method
        self._with_digests = level == "data"
        self._tables: dict[str, tuple[content.Relation, list[_Found]]] = {}
        self._large: _Found | None = None
        self._audit: _Found | None = None

    def start(self, audit: AuditRule | None) -> None:
        """Hand out the scans, the largest table first, so that no worker is left with it at the end.

        Args:
            audit: an audit log whose chain is recomputed with the digests
        """
        major = self._leader.info.server_version // 10000
        for relation in ask(lambda: content.relations(self._leader), "the list of tables"):
            parts = [self._team.submit(self._scan(relation, piece)) for piece in content.pieces(relation, major)]
            self._tables[relation.name] = relation, parts
        read = large_objects.digest if self._with_digests else large_objects.count
        self._large = self._team.submit(lambda connection: ask(lambda: read(connection), "large objects"))
        if audit is not None and self._with_digests:
            self._audit = self._team.submit(lambda connection: audit_facts(connection, audit))

    def facts(self) -> dict[str, Any]:
        """Wait for all of them."""
        found: dict[str, Any] = {"sequences": ask(lambda: sequences.positions(self._leader), "sequences")}
        if self._large is not None:
            found["large_objects"] = self._large.result()
        if self._audit is not None:
            found["audit"] = self._audit.result()
        if self._with_digests:
            found["row_hash"] = self._method
        return {**found, "content": {name: _table(*self._tables[name]) for name in sorted(self._tables)}}

    def _scan(self, relation: content.Relation, piece: content.Piece) -> Callable[[Connection], dict[str, Any]]:
        def digest(connection: Connection) -> dict[str, Any]:
            return ask(lambda: content.digest(connection, relation, method=self._method, piece=piece), relation.name)

        def count(connection: Connection) -> dict[str, Any]:
            return ask(lambda: content.count(connection, relation, piece=piece), relation.name)

        return digest if self._with_digests else count


def _table(relation: content.Relation, parts: list[_Found]) -> dict[str, Any]:
    found = content.added_up(part.result() for part in parts)
    return {**found, "materialized": True} if relation.materialized else found
