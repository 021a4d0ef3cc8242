"""Collect the facts of a database, over several connections that see the same snapshot."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from chaoslab.postgres.audit import AuditRule, audit_facts
from chaoslab.postgres.connect import PINNED_SETTINGS, connect
from chaoslab.postgres.facts import code, content, large_objects, security, sequences, surroundings, tables
from chaoslab.postgres.snapshot import Team, ask, enter, shared_snapshot

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

Facts = dict[str, Any]
"""`server`, `database`, `settings`, `taken_at`, `structure` {kind: {identity: value}}; with level data also
`content` {table: {rows, digest}}, `sequences` {name: {last_value, is_called}}, `large_objects`."""
Level = Literal["structure", "data"]

FORMAT = 1
KINDS = (*tables.KINDS, *code.KINDS, *security.KINDS, *surroundings.KINDS)
_LARGE, _AUDIT = "large objects", "audit chain"

_ABOUT = """
SELECT jsonb_build_object(
    'name', datname, 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype,
    'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
    'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    'connection_limit', datconnlimit,
    'bootstrap_role', (SELECT rolname FROM pg_roles WHERE oid = 10),
    'bytes', pg_database_size(d.oid)),
    current_setting('server_version'), current_setting('server_version_num')::integer,
    to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
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
) -> Facts:
    """Take the facts of one database. Reads only.

    Args:
        dsn: the database
        who: how errors call it
        level: `structure` reads catalogs only; `data` also scans every row once
        snapshot: one that `pg_export_snapshot()` gave out and that is still held; '' makes one
        jobs: connections that scan at the same time
        bootstrap: the name that stands for this server's first superuser: the source's, on a scratch server
        ages_since: note also how many transactions ago each catalog row was written, and this transaction
        audit: an audit log whose hash chain is recomputed
        opened: every connection is noted here, so that another thread can cancel what runs on it

    Raises:
        ConnectFailed: the database cannot be reached.
        CannotRead: something in it cannot be read.
    """

    open_one = partial(_open, dsn, who=who, bootstrap=bootstrap, opened=opened)
    with ExitStack() as stack:
        leader = stack.enter_context(open_one())
        if snapshot:
            ask(lambda: enter(leader, snapshot), "the snapshot")
        else:
            snapshot = stack.enter_context(shared_snapshot(leader))
        if level == "structure":
            return {**_about(leader), **_structure(leader, ages_since)}
        team = stack.enter_context(Team(open_one, snapshot, jobs))
        scans = _start_scans(team, leader, audit)
        return {**_about(leader), **_structure(leader, ages_since), **_data(leader, scans)}


def _open(dsn: str, *, who: str, bootstrap: str, opened: list[Connection] | None) -> Connection:
    connection = connect(dsn, who=who)
    connection.execute("SELECT set_config('chaoslab.bootstrap', %s, false)", [bootstrap])
    if opened is not None:
        opened.append(connection)
    return connection


def _data(leader: Connection, scans: dict[str, Future[dict[str, Any]]]) -> Facts:
    facts: Facts = {"sequences": ask(lambda: sequences.positions(leader), "sequences")}
    facts["large_objects"] = scans.pop(_LARGE).result()
    if _AUDIT in scans:
        facts["audit"] = scans.pop(_AUDIT).result()
    return {**facts, "content": {name: scan.result() for name, scan in sorted(scans.items())}}


def _start_scans(team: Team, leader: Connection, audit: AuditRule | None) -> dict[str, Future[dict[str, Any]]]:
    """Hand out the scans, the largest table first, so that no worker is left with it at the end."""
    relations = ask(lambda: content.relations(leader), "the list of tables")
    scans = {relation.name: team.submit(_scan_of(relation)) for relation in relations}
    scans[_LARGE] = team.submit(lambda connection: ask(lambda: large_objects.digest(connection), _LARGE))
    if audit is not None:
        scans[_AUDIT] = team.submit(lambda connection: audit_facts(connection, audit))
    return scans


def _scan_of(relation: content.Relation) -> Any:
    def scan(connection: Connection) -> dict[str, Any]:
        found = ask(lambda: content.digest(connection, relation), relation.name)
        return {**found, "materialized": True} if relation.materialized else found

    return scan


def _about(connection: Connection) -> Facts:
    row = ask(lambda: connection.execute(_ABOUT).fetchone(), "the database itself")
    assert row is not None
    return {
        "format": FORMAT,
        "server": {"version": row[1], "major": row[2] // 10000},
        "database": row[0],
        "settings": dict(PINNED_SETTINGS),
        "taken_at": row[3],
    }


def _structure(connection: Connection, ages_since: str) -> Facts:
    structure: dict[str, dict[str, Any]] = {}
    ages: dict[str, dict[str, int]] = {}
    allowed = ask(lambda: connection.execute(_MAY_SEE_ROLES).fetchone(), "rights")
    for kind in KINDS:
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
