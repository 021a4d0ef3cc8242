"""Connections used up: the server has none left for those who come."""

from __future__ import annotations

import resource
from typing import Any, NamedTuple

from chaoslab.core.errors import Refused
from chaoslab.postgres.connect import ConnectFailed, describe
from chaoslab.postgres.live import GUARD, ask, lets_nobody_in, look, release, start_holder, told_by_holder
from chaoslab.runtime.arguments import share_above_zero, time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold

_SPARE_FILES = 64
USED = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
      AND pid <> pg_backend_pid()"""
"""Slots that clients hold, ours among them; who may not look at others is shown that they are there, at least."""
_ROOM = """
    SELECT current_setting('max_connections')::integer,
           current_setting('superuser_reserved_connections')::integer,
           coalesce(current_setting('reserved_connections', true)::integer, 0),
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
           (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
           current_database()::text,
           ({used})""".replace("{used}", USED)


class _Room(NamedTuple):
    """How many connections there are, and how many of them are to be in use."""

    where: str
    role: str
    superuser: bool
    slots: int
    most: int
    kept: int


def _take(data: Data) -> dict[str, Any]:
    return start_holder(data)


def _are_used_up(data: Data) -> bool:
    """Ask for a connection: a server that answers and lets nobody in has none left; one that lets us in is counted."""
    dsn, told = told_by_holder(data)
    if not told:
        return False
    try:
        [(used,)] = ask(dsn, USED)
    except ConnectFailed as refusal:
        return lets_nobody_in(refusal)
    return bool(used >= data["slots"])


EXHAUST = Fault(inject=_take, effective=_are_used_up, undo=release, effective_within_s=10.0, undo_deadline_s=60.0)


@EXHAUST.action
def exhaust_connections(dsn: str, share: str = "100%", end_first: str = "", ttl: str = "60s") -> Pinned:
    """Use up a server's connections, as a leak or a crowd of new instances does.

    The slots that the server reserves for superusers stay free, so that somebody can always get in and help. A holder
    opens idle connections until the wanted share is in use, takes each slot that others give back, and hangs up when
    its time is over. Who has a connection keeps it: only those who need a new one feel the fault, unless `end_first`
    makes them.

    Args:
        dsn: the server, past any pooler; the connections are of this role and database
        share: how much of what ordinary roles may use is in use then, those of others included
        end_first: application_name of the sessions that are ended once the slots are taken, so that they must connect
            anew; '' means nobody's
        ttl: how long it may last without the runner's word; the server itself ends our sessions then (PostgreSQL 14)

    Blast radius: everybody who needs a new connection to this server, whichever the database.
    Undo: the holder ends, and with it all its connections; the server is asked whether it has noticed.
    Effective when: the server refuses a connection, or counts as many in use as were to be.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the server cannot be reached; as many are in use already; it keeps no slot for superusers, so that
            nobody could help; the role, the database or this process may not open so many.
    """
    ttl_s, wanted = time_to_live(ttl), share_above_zero("share", share)
    room = _room(dsn, wanted, share)
    by = f"superuser {room.role}" if room.superuser else f"role {room.role}"
    hold = Hold.pinned("postgres.exhaust_connections", room.where, {"dsn": dsn})
    return Pinned(
        target=f"{room.slots} of {room.most} connections to {room.where} as {by}; {room.kept} stay free for superusers",
        data={
            "kind": "connections",
            "server": room.where,
            "held": str(hold.path),
            "slots": room.slots,
            "spare": room.kept // 2,
            "superuser": room.superuser,
            "end_first": end_first,
            "ttl_s": ttl_s,
        },
        ttl_s=ttl_s,
    )


def _room(dsn: str, wanted: float, share: str) -> _Room:
    """Return how many connections are to be in use, after every check that touches nothing.

    Raises:
        Refused: they must not, or cannot be.
    """
    facts, [(most, kept, reserved, role_limit, database_limit, database, used)] = look(dsn, _ROOM)
    where = describe(dsn)
    if kept <= 0:
        raise Refused(GUARD, f"{where} has superuser_reserved_connections = 0: with all used up, nobody could get in")
    room = most - kept - reserved
    slots = int(room * wanted)
    if slots < 1:
        raise Refused(GUARD, f"{share} of the {room} connections of {where} is not even one")
    if used >= slots:
        raise Refused(GUARD, f"{used} of {room} connections of {where} are in use already, and {slots} were to be")
    if not facts.superuser:
        for whose, limit in ((f"role {facts.role}", role_limit), (f"database {database}", database_limit)):
            if 0 <= limit < slots:
                raise Refused(GUARD, f"{whose} may have {limit} connections to {where}, and {slots} are to be used up")
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and slots + _SPARE_FILES > files:
        raise Refused(
            GUARD, f"this process may open {files} files, too few for {slots} connections; raise `ulimit -Hn`"
        )
    return _Room(where, facts.role, facts.superuser, slots, room, kept)
