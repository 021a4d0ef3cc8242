"""Say which rows differ: where digests do, the restored table is bisected against the source as it is now.

The source has gone on since the dump. But a row of it that was written by a transaction older than the dump's snapshot
has not changed since: the restored table must have it, byte for byte. Only such rows prove anything, and only their
keys are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.comparison.bisection import Found, Key, bisect
from chaoslab.postgres.comparison.keyed_rows import KeyedRows, literal, primary_key
from chaoslab.postgres.connect import ConnectFailed, connect
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.facts import content
from chaoslab.postgres.facts.hashing import method_for
from chaoslab.postgres.snapshot import CannotRead, ask, enter

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

KEYS_SHOWN = 10
TABLES_MAX = 8
"""Tables that are looked into: who lost more has another question."""
_TIMEOUT_S = 300.0
_KEY_LENGTH = 60
_LOCATED = {"row-count-differs", "content-differs"}


@dataclass(frozen=True, slots=True)
class Copies:
    """The source as it is, and what was restored."""

    source_dsn: str
    restored_dsn: str
    settled: str = "true"
    """The SQL condition that a row `r` of the source is older than the dump."""


def settled_since(origin: Mapping[str, Any]) -> str:
    """Return the SQL condition that a row `r` was written before the snapshot that these facts are of.

    What any transaction wrote that was open then is left out, with its subtransactions.
    """
    return f"(age(r.xmin) > age('{int(origin['oldest_xid'])}'::xid) OR age(r.xmin) < 0)"


def is_origin(connection: Connection, origin: Mapping[str, Any]) -> bool:
    """Say whether a database is the one that facts were taken of, with the same transactions."""
    query = """
        SELECT has_function_privilege('pg_control_system()', 'EXECUTE'),
            (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), age(%s::text::xid) >= 0
    """
    row = ask(lambda: connection.execute(query, [origin["oldest_xid"]]).fetchone(), "the source")
    if row is None or not row[0] or row[1] != origin["database"] or not row[2]:
        return False
    system = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    return system is not None and system[0] == origin["system"]


def with_keys(
    found: Sequence[Difference], copies: Copies, *, origin: Mapping[str, Any] | None = None, show_keys: bool = True
) -> list[Difference]:
    """Add to differences in rows which they are, where the source can still tell.

    Args:
        found: all differences; those of other kinds stay as they are
        copies: the two databases
        origin: of the facts that were compared with; a source that is another database tells nothing
        show_keys: whether keys may be told, or their number only
    """
    places = [one.where for one in found if one.code in _LOCATED and one.severity == "failure"]
    if not places:
        return list(found)
    told: dict[str, str] = {}
    try:
        with ExitStack() as stack:
            source, restored = (
                stack.enter_context(connect(dsn, who=who, statement_timeout_s=_TIMEOUT_S))
                for dsn, who in ((copies.source_dsn, "the source"), (copies.restored_dsn, "the restored database"))
            )
            if origin is not None and not is_origin(source, origin):
                return list(found)
            for table in places[:TABLES_MAX]:
                told[table] = _locate(source, restored, table, copies.settled, show_keys=show_keys)
    except (ConnectFailed, CannotRead):  # the source is lost, as in a disaster: what was found stands without keys
        pass
    return [
        replace(one, message=one.message + told[one.where]) if one.code in _LOCATED and told.get(one.where) else one
        for one in found
    ]


def _locate(source: Connection, restored: Connection, table: str, settled: str, *, show_keys: bool) -> str:
    """Return what differs in a table, as the rest of a sentence; '' when nothing tells."""
    for connection in (source, restored):
        enter(connection)
    try:
        original, copy = (
            next((one for one in content.relations(side) if one.name == table), None) for side in (source, restored)
        )
        key = primary_key(restored, table)
        same = original and copy and (original.columns, original.types) == (copy.columns, copy.types)
        if original is None or not same or key is None or primary_key(source, table) != key:
            return ""
        method = method_for(min(side.info.server_version // 10000 for side in (source, restored)))
        row_hash = literal(original.hash_by(method))
        found = bisect(
            KeyedRows(source, literal(table), key, row_hash, settled),
            KeyedRows(restored, literal(table), key, row_hash),
            limit=KEYS_SHOWN,
        )
        return _told(found, key.name, show_keys=show_keys, certain=settled == "true")
    finally:
        for connection in (source, restored):
            if not connection.broken:
                connection.execute("ROLLBACK")


def _told(found: Found, name: str, *, show_keys: bool, certain: bool) -> str:
    only = "only in the restored table" + ("" if certain else " (or deleted in the source since)")
    parts = [
        f"{words}: {_listed(keys, name, show_keys=show_keys)}"
        for words, keys in (("missing", found.missing), ("changed", found.changed), (only, found.extra))
        if keys
    ]
    more = "" if found.complete or not parts else "; there may be more"
    return f": {'; '.join(parts)}{more}" if parts else ""


def _listed(keys: Sequence[Key], name: str, *, show_keys: bool) -> str:
    if not show_keys:
        return f"{len(keys)} rows"
    shown = ", ".join(_shown(key) for key in keys[:KEYS_SHOWN])
    return f"{name} {shown}" + (f" and {len(keys) - KEYS_SHOWN} more" if len(keys) > KEYS_SHOWN else "")


def _shown(key: Key) -> str:
    parts = [part if len(part) <= _KEY_LENGTH else f"{part[:_KEY_LENGTH]}..." for part in key]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
