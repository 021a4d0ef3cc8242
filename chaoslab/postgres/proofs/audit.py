"""Recompute an audit log's hash chain: each row's hash covers the row and the hash before it.

A chain by itself cannot show that its end was cut off: every prefix of a chain is a chain. So its length and
its head are facts too, and are compared with the source's.

How a row is hashed differs from system to system, so the rule is given:

    {"table": "public.audit_log", "order": "id", "previous": "prev_hash", "hash": "row_hash",
     "expression": "encode(sha256(convert_to(prev_hash || payload, 'UTF8')), 'hex')"}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.snapshot import ask

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection


@dataclass(frozen=True, slots=True)
class AuditRule:
    """How one audit log is chained. All parts are SQL: names quoted as needed, and an expression over a row."""

    table: str
    order: str
    """The column that numbers the rows."""
    previous: str
    """The column with the hash of the row before."""
    hash: str
    """The column with the row's own hash."""
    expression: str
    """What the row's own hash must be."""

    @classmethod
    def parse(cls, given: str | Mapping[str, Any]) -> AuditRule | None:
        """Read a rule from a mapping or its JSON text; nothing given is no rule.

        Raises:
            BadUsage: parts are missing or unknown.
        """
        try:
            parts: Any = json.loads(given) if isinstance(given, str) and given.strip() else given
            return cls(**parts) if parts else None
        except (ValueError, TypeError) as broken:
            wanted = ", ".join(cls.__slots__)
            raise BadUsage(f"the audit rule is not usable ({broken}); it has the parts {wanted}") from None


def audit_facts(connection: Connection, rule: AuditRule) -> dict[str, Any]:
    """Recompute the chain in one pass and return its length, its head and where it breaks.

    Raises:
        CannotRead: there is no such table, or the rule does not fit it.
    """
    # `is distinct from` counts a missing hash as broken; the first row has nothing before it to agree with.
    query = f"""
        WITH link AS (
            SELECT {rule.order} AS place, {rule.hash} AS hash, {rule.previous} AS previous,
                {rule.expression} AS computed, lag({rule.hash}) OVER (ORDER BY {rule.order}) AS before,
                row_number() OVER (ORDER BY {rule.order}) AS number
            FROM {rule.table}
        ), judged AS (
            SELECT *, hash IS DISTINCT FROM computed
                OR (number > 1 AND previous IS DISTINCT FROM before) AS broken FROM link
        )
        SELECT count(*), count(*) FILTER (WHERE broken), (min(place) FILTER (WHERE broken))::text,
            max(place)::text, (array_agg(hash ORDER BY place DESC))[1]::text FROM judged
    """  # noqa: S608 - the rule is the operator's own SQL, and the session is read-only
    row = ask(lambda: connection.execute(query).fetchone(), f"the audit log {rule.table}")
    assert row is not None
    return {
        "rule": asdict(rule),
        "rows": row[0],
        "broken": row[1],
        "first_broken": row[2],
        "last": row[3],
        "head": row[4],
    }


def compare_audit(expected: Mapping[str, Any] | None, actual: Mapping[str, Any] | None) -> Iterator[Difference]:
    """Yield what is wrong with a restored chain; a chain that nobody asked about is not judged."""
    if actual is None:
        return
    table = actual["rule"]["table"]
    if actual["broken"]:
        already = expected is not None and expected["broken"] == actual["broken"]
        yield Difference(
            "audit-chain-broken",
            table,
            f"{table} has {actual['broken']} broken links in its hash chain, the first at {actual['first_broken']}"
            + (" (so it has in the source)" if already else ""),
            expected=expected["broken"] if expected else 0,
            actual=actual["broken"],
        )
    if not actual["rows"]:
        yield Difference("audit-chain-absent", table, f"{table} is empty: there is no chain to verify", actual=0)
    elif expected is not None and (actual["rows"], actual["head"]) != (expected["rows"], expected["head"]):
        yield Difference(
            "audit-chain-shortened" if actual["rows"] < expected["rows"] else "audit-chain-broken",
            table,
            f"the hash chain of {table} does not end where the source's ended",
            expected=f"{expected['rows']} rows, head {str(expected['head'])[:16]}",
            actual=f"{actual['rows']} rows, head {str(actual['head'])[:16]}",
        )
