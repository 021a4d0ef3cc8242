"""Collect the facts of a database, over several connections that see the same snapshot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from chaoslab.postgres.connect import PINNED_SETTINGS, connect
from chaoslab.postgres.facts import cluster_wide, code, security, surroundings, tables
from chaoslab.postgres.facts.hashing import Method, method_for
from chaoslab.postgres.facts.scans import Scans
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.snapshot import Team, ask, enter, shared_snapshot

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

Facts = dict[str, Any]
"""`server`, `database`, `settings`, `taken_at`, `origin` (which database, and which transactions had ended),
`structure` {kind: {identity: value}}; with level counts also `content` {table: {rows}}, `sequences` {name: {last_value,
is_called}}, `large_objects`; with level data also a `digest` of each table and of the large objects, and `row_hash`,
how they were made."""
Level = Literal["structure", "counts", "data"]
"""How deep to look: catalogs only; also the number of rows; also a digest of them."""

FORMAT = 2
"""Facts of format 1 have no `row_hash`, and mean `text`."""
KINDS = (*tables.KINDS, *code.KINDS, *security.KINDS, *surroundings.KINDS, *cluster_wide.KINDS)

_ABOUT = """
SELECT jsonb_build_object(
    'name', datname, 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype,
    'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
    'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    'connection_limit', datconnlimit,
    'is_template', datistemplate,
    'collation_version', to_jsonb(d) ->> 'datcollversion',
    'collation_version_here', COLLATION_HERE,
    'stale_collations', (
        SELECT array_agg(format('%I', c.collname) ORDER BY c.collname) FROM pg_collation c
        WHERE CASE WHEN c.oid >= 16384 OR c.oid IN (SELECT a.attcollation FROM pg_attribute a)
                   THEN c.collversion <> pg_collation_actual_version(c.oid) END),
    'bootstrap_role', (SELECT rolname FROM pg_roles WHERE oid = 10),
    'bytes', pg_database_size(d.oid)),
    current_setting('server_version'), current_setting('server_version_num')::integer,
    to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    jsonb_build_object(
        'system', CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
                       THEN (SELECT system_identifier::text FROM pg_control_system()) END,
        'database', d.oid::bigint,
        'oldest_xid', (txid_snapshot_xmin(txid_current_snapshot()) % 4294967296)::text)
FROM pg_database d WHERE datname = current_database()
"""
_MAY_SEE_ROLES = "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')"


def collect_facts(
    dsn: str,
    *,
    who: str = "the database",
    level: Level = "data",
    snapshot: str = "",
    jobs: int = 2,
    bootstrap: str = "",
    ages_since: str = "",
    audit: AuditRule | None = None,
    opened: list[Connection] | None = None,
    like: Facts | None = None,
    statement_timeout_s: float = 0.0,
) -> Facts:
    """Take the facts of one database. Reads only.

    Args:
        dsn, who: the database, and how errors call it
        level: `structure` reads catalogs only; `counts` counts rows; `data` reads every row once
        snapshot: one that `pg_export_snapshot()` gave out and that is still held; '' makes one
        jobs: connections that scan at the same time
        bootstrap: the name that stands for this server's first superuser: the source's, on a scratch server
        ages_since: note also how many transactions ago each catalog row was written, and this transaction
        audit: an audit log whose hash chain is recomputed
        opened: every connection is noted here, so that another thread can cancel what runs on it
        like: facts that these will be compared with: rows are hashed in the way they were there
        statement_timeout_s: seconds after which the server itself ends a statement, also when nobody waits for it

    Raises:
        ConnectFailed, CannotRead: the database cannot be reached; something in it cannot be read.
    """
    connecting = partial(connect, dsn, who=who, statement_timeout_s=statement_timeout_s)
    open_one = partial(_open, connecting, bootstrap=bootstrap, opened=opened)
    with ExitStack() as stack:
        leader = stack.enter_context(open_one())
        if snapshot:
            ask(lambda: enter(leader, snapshot), "the snapshot")
        else:
            snapshot = stack.enter_context(shared_snapshot(leader))
        if level == "structure":
            return _catalogs(leader, ages_since)
        method = method_of(like) if like else method_for(leader.info.server_version // 10000)
        scans = Scans(stack.enter_context(Team(open_one, snapshot, jobs)), leader, level=level, method=method)
        scans.start(audit)
        return {**_catalogs(leader, ages_since), **scans.facts()}


def method_of(facts: Facts) -> Method:
    """Return how the rows of these facts were hashed."""
    method: Method = facts.get("row_hash", "text")
    return method


def _open(connecting: Callable[[], Connection], *, bootstrap: str, opened: list[Connection] | None) -> Connection:
    connection = connecting()
    # As many processes work for us as there are jobs, and no more: the source has others to serve.
    query = (
        "SELECT set_config('chaoslab.bootstrap', %s, false), set_config('max_parallel_workers_per_gather', '0', false)"
    )
    connection.execute(query, [bootstrap])
    if opened is not None:
        opened.append(connection)
    return connection


def _catalogs(connection: Connection, ages_since: str) -> Facts:
    # To compile such queries costs more than they take.
    ask(lambda: connection.execute("SELECT set_config('jit', 'off', true)"), "a setting")
    return {**_about(connection), **_structure(connection, ages_since)}


def _about(connection: Connection) -> Facts:
    here = "pg_database_collation_actual_version(d.oid)" if connection.info.server_version >= 150000 else "NULL"
    query = _ABOUT.replace("COLLATION_HERE", here)
    row = ask(lambda: connection.execute(query).fetchone(), "the database itself")
    assert row is not None
    return {
        "format": FORMAT,
        "server": {"version": row[1], "major": row[2] // 10000},
        "database": row[0],
        "settings": dict(PINNED_SETTINGS),
        "taken_at": row[3],
        "origin": row[4],
    }


def _structure(connection: Connection, ages_since: str) -> Facts:
    structure: dict[str, dict[str, Any]] = {}
    ages: dict[str, dict[str, int]] = {}
    allowed = ask(lambda: connection.execute(_MAY_SEE_ROLES).fetchone(), "rights")
    major = connection.info.server_version // 10000
    for kind in KINDS:
        if major < kind.since:
            continue
        what = kind.name.replace("_", " ")
        sql = kind.sql_for_superusers if kind.sql_for_superusers and allowed and allowed[0] else kind.sql
        rows = ask(lambda sql=sql: connection.execute(sql).fetchall(), what)  # type: ignore[misc]
        rows.sort(key=lambda row: row[0])
        structure[kind.name] = {row[0]: _without_nulls(row[1]) for row in rows}
        ages[kind.name] = {row[0]: row[2] for row in rows if row[2] is not None}
    if not ages_since:
        return {"structure": structure}
    row = ask(lambda: connection.execute("SELECT age(%s::text::xid)", [ages_since]).fetchone(), "an age")
    assert row is not None
    return {"structure": structure, "ages": ages, "settled_age": row[0]}


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
