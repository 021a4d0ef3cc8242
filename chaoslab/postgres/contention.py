"""Somebody stands in everybody's way: a lock on a table, a transaction that does not end."""

from __future__ import annotations

from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.postgres.connect import describe
from chaoslab.postgres.live import GUARD, application_of, ask, look, release, start_holder, told_by_holder
from chaoslab.runtime.arguments import one_of, seconds_up_to, time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold

MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
_LONGEST_WAIT_S = 60.0
_TABLE = """
    SELECT n.nspname::text, c.relname::text, c.relkind::text,
           has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE')
             OR has_table_privilege(c.oid, 'TRUNCATE'),
           has_schema_privilege(n.oid, 'USAGE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)"""
_SOMEBODY_WAITS = """
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %(pid)s AND application_name = %(application)s)
       AND EXISTS (SELECT FROM pg_locks WHERE pid = %(pid)s AND granted AND locktype = 'relation' AND mode = %(mode)s)
       AND EXISTS (SELECT FROM pg_locks w
                   WHERE NOT w.granted AND w.pid <> %(pid)s AND %(pid)s = ANY (pg_blocking_pids(w.pid)))"""
_HOLDS_BACK = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity ours
        WHERE pid = %(pid)s AND application_name = %(application)s AND state = 'idle in transaction'
          AND age(backend_xmin) > 0
          AND age(backend_xmin) >= (SELECT max(age(backend_xmin)) FROM pg_stat_activity
                                    WHERE datname = ours.datname))"""


def _take(data: Data) -> dict[str, Any]:
    return start_holder(data, ready_within_s=data.get("wait_s", 0.0) + 30.0)


def _asked(data: Data, query: str) -> bool:
    dsn, told = told_by_holder(data)
    if not told:
        return False
    more = {"mode": data.get("mode", "").title().replace(" ", "") + "Lock"}
    values = {"pid": told["backend"], "application": application_of(Hold(data["held"])), **more}
    [(yes,)] = ask(dsn, query, values)
    return bool(yes)


def _is_waited_for(data: Data) -> bool:
    return _asked(data, _SOMEBODY_WAITS)


def _holds_back(data: Data) -> bool:
    return _asked(data, _HOLDS_BACK)


LOCK = Fault(inject=_take, effective=_is_waited_for, undo=release, effective_within_s=10.0)
OPEN = Fault(inject=_take, effective=_holds_back, undo=release, effective_within_s=10.0)


@LOCK.action
def lock_table(dsn: str, table: str, mode: str = "ACCESS EXCLUSIVE", wait: str = "5s", ttl: str = "60s") -> Pinned:
    """Lock a table and hold the lock, as a migration does that waits for something else.

    While the holder waits for its lock, all who come after it wait too: a queue forms behind a lock that nobody has.

    Args:
        dsn: the server and the database
        table: `schema.table`, or a table in `public`
        mode: ACCESS EXCLUSIVE keeps out readers and writers, SHARE and EXCLUSIVE writers only; any mode of LOCK TABLE
        wait: how long to wait for those who use the table now
        ttl: how long it may last without the runner's word; the server ends our session then

    Blast radius: everybody who uses this one table, and whoever waits for them; foreign keys that point to it count.
    Undo: the holder ends, its transaction is rolled back, and those who wait go on.
    Effective when: the lock is granted and somebody waits for it. On a table that nobody uses it harms nobody: then it
        did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the server cannot be reached, is a standby, has no such table, or does not let the role lock it; a
            table of the system.
    """
    ttl_s, word = time_to_live(ttl), one_of("mode", " ".join(mode.upper().split()), MODES)
    wait_s = seconds_up_to("wait", wait, most_s=_LONGEST_WAIT_S, hint="all others wait behind it")
    where, schema, name = _table(dsn, table)
    target = f"{schema}.{name} in {where}"
    hold = Hold.pinned("postgres.lock_table", target, {"dsn": dsn})
    data = {"kind": "lock", "server": where, "held": str(hold.path), "schema": schema, "table": name, "mode": word}
    return Pinned(f"{target}, {word}", data={**data, "wait_s": wait_s, "ttl_s": ttl_s}, ttl_s=ttl_s)


@OPEN.action
def open_transaction(dsn: str, ttl: str = "60s") -> Pinned:
    """Leave a transaction open and idle, as a forgotten session or a stuck worker does.

    It changes nothing and locks no row. But every row version that it could see must stay: vacuum cleans up nothing
    that died since, in the whole database, and tables and indexes grow.

    Args:
        dsn: the server and the database
        ttl: how long it may last without the runner's word; the server ends our session then. Where the server's own
            idle_in_transaction_session_timeout is shorter, that ends it: this is what it is for

    Blast radius: vacuum of this database; slowly, for it takes many changed rows until anybody feels it.
    Undo: the holder ends, and its transaction is rolled back.
    Effective when: it is the oldest snapshot of its database, and others have written since. Where nobody writes,
        nothing is held back.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the server cannot be reached, or is a standby.
    """
    ttl_s = time_to_live(ttl)
    facts, _ = look(dsn)
    where = describe(dsn)
    if facts.standby:
        raise Refused(GUARD, f"{where} is a standby, where nothing is vacuumed; name the primary")
    hold = Hold.pinned("postgres.open_transaction", where, {"dsn": dsn})
    data = {"kind": "transaction", "server": where, "held": str(hold.path), "ttl_s": ttl_s}
    return Pinned(f"vacuum of {where}", data=data, ttl_s=ttl_s)


def _table(dsn: str, table: str) -> tuple[str, str, str]:
    """Return the server, the schema and the name of a table that may be locked.

    Raises:
        BadUsage: there is no name.
        Refused: it must not be locked, or cannot be.
    """
    if not table.strip():
        raise BadUsage("table: write schema.table")
    named = table if "." in table else f"public.{table}"
    facts, rows = look(dsn, _TABLE, (named,))
    where = describe(dsn)
    if facts.standby:
        raise Refused(GUARD, f"{where} is a standby, where no such lock can be taken; name the primary")
    if not rows:
        raise Refused(GUARD, f"{where} has no table {named}")
    schema, name, kind, may, passes = rows[0]
    if kind not in {"r", "p"}:
        raise Refused(GUARD, f"{schema}.{name} is no table")
    if schema in {"pg_catalog", "information_schema", "pg_toast"}:
        raise Refused(GUARD, f"{schema}.{name} belongs to the system: with it locked nobody gets in to undo")
    if not (may and passes):
        raise Refused(GUARD, f"role {facts.role} may not lock {schema}.{name}; it needs UPDATE, DELETE or TRUNCATE")
    return where, schema, name
