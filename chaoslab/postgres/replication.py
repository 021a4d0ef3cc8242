"""A standby that falls behind, and how far it is behind."""

from __future__ import annotations

from typing import Any

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.postgres.connect import ConnectFailed, describe
from chaoslab.postgres.live import (
    GUARD,
    application_of,
    ask,
    is_down,
    look,
    release,
    start_holder,
    told_by_holder,
)
from chaoslab.runtime.arguments import seconds, time_to_live
from chaoslab.runtime.claims import BY_WHOM
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold
from chaoslab.runtime.steps import step

_STATE = """
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END,
           has_function_privilege('pg_wal_replay_pause()', 'EXECUTE')
             AND has_function_privilege('pg_wal_replay_resume()', 'EXECUTE')"""
_LAG = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN NULL
                WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float"""


def _pause(data: Data) -> dict[str, Any]:
    return start_holder(data)


def _is_paused(data: Data) -> bool:
    dsn, told = told_by_holder(data)
    if not told:
        return False
    # What was only asked for is not yet so: the server says which from version 14 on.
    state = "pg_get_wal_replay_pause_state() = 'paused'" if data["version"] >= 140000 else "pg_is_wal_replay_paused()"
    [(paused,)] = ask(dsn, f"SELECT pg_is_in_recovery() AND {state}")
    return bool(paused)


def _resume(data: Data) -> None:
    """Resume what we have paused: nothing, where the server was started anew or promoted meanwhile.

    Raises:
        ChaoslabError: nobody answers who could resume it.
    """
    _, told = told_by_holder(data)
    known = Hold(data["held"]).read()
    if known and "process" in known:
        _resume_ours(known["dsn"], told, application_of(Hold(data["held"])))
    release(data, grace_s=0.0)


def _resume_ours(dsn: str, told: dict[str, Any], application: str) -> None:
    """Resume replay when this server is the one that was paused; without word of the holder, when its session is there.

    Raises:
        ChaoslabError: nobody answers who could resume it.
    """
    ours = """
        SELECT pg_is_in_recovery(), pg_postmaster_start_time()::text = %s
          OR EXISTS (SELECT FROM pg_stat_activity WHERE application_name = %s)"""
    try:
        [(standby, same)] = ask(dsn, ours, (told.get("started", ""), application))
        if standby and same:
            ask(dsn, "SELECT pg_wal_replay_resume()")
    except ConnectFailed as closed:
        if not is_down(closed):
            raise ChaoslabError(f"cannot resume replay, which goes on by itself later: {closed}") from closed


PAUSE = Fault(inject=_pause, effective=_is_paused, undo=_resume)


@PAUSE.action
def pause_replica(dsn: str, ttl: str = "60s") -> Pinned:
    """Pause replay on a standby: it goes on receiving and answering, but what it answers grows old.

    So a standby looks that a long query holds up, or a slow disk. Nothing is lost: what has arrived waits.

    Args:
        dsn: the standby
        ttl: how long it may last without the runner's word; a statement of ours that sleeps in the server resumes
            replay then, whatever has become of us

    Blast radius: whoever reads from this standby; the primary, too, where synchronous_commit is remote_apply.
    Undo: replay is resumed, unless the server was started anew or promoted meanwhile.
    Effective when: the server says that replay is paused.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the server cannot be reached, is no standby, was paused by somebody else, or does not let the role.
    """
    ttl_s = time_to_live(ttl)
    facts, [(paused, may)] = look(dsn, _STATE)
    where = describe(dsn)
    if not facts.standby:
        raise Refused(GUARD, f"{where} is a primary: it replays nothing; name a standby")
    if paused:
        raise Refused(GUARD, f"replay on {where} is paused already, {BY_WHOM}; undoing would resume it")
    if not may:
        raise Refused(
            GUARD,
            f"role {facts.role} may not pause replay; grant it EXECUTE on pg_wal_replay_pause and pg_wal_replay_resume",
        )
    hold = Hold.pinned("postgres.pause_replica", where, {"dsn": dsn})
    data = {"kind": "replay", "server": where, "held": str(hold.path), "ttl_s": ttl_s, "version": facts.version}
    return Pinned(f"replay on {where}", data=data, ttl_s=ttl_s, claims=(f"replay on {where}",))


@step("verify")
def keeps_up(dsn: str, within: str = "5s") -> bool:
    """Say whether a standby has replayed what it received, or at least what is not older than `within`.

    Args:
        dsn: the standby
        within: how old its newest replayed transaction may be

    Raises:
        BadUsage: `within` is no duration.
        ChaoslabError: it is no standby, or does not answer.
    """
    within_s = seconds("within", within)
    [(lag_s,)] = ask(dsn, _LAG)
    if lag_s is None:
        raise ChaoslabError(f"{describe(dsn)} is no standby")
    return bool(lag_s <= within_s)
