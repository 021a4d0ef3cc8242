"""The audit log's hash chain: the rule by which anybody can recompute it."""

from __future__ import annotations

import hashlib

AUDIT_PAYLOAD = (
    "jsonb_build_array(id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), "
    "actor, action, entity, detail)::text"
)
"""What a row's hash covers besides the hash before it: SQL whose text depends on no setting."""

AUDIT_RULE = {
    "table": "audit.event",
    "order": "id",
    "previous": "prev_hash",
    "hash": "hash",
    "expression": f"sha256(prev_hash || convert_to({AUDIT_PAYLOAD}, 'UTF8'))",
}
"""The chain as `chaoslab.postgres.proofs.audit` takes it. Rows are numbered from 1 on without a gap."""

GENESIS = bytes(32)
"""`prev_hash` of the first row."""


def link(previous: bytes, payload: str) -> bytes:
    """Return the hash of a row.

    Args:
        previous: the hash of the row before it, or GENESIS
        payload: the text of AUDIT_PAYLOAD for this row
    """
    return hashlib.sha256(previous + payload.encode()).digest()
