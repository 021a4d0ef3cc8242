"""What is special to the faults of a PostgreSQL server: whom they refuse, and when they do not bite."""

import json
import os
import signal
import time

import psycopg
import pytest
from postgres_pair import MAX_CONNECTIONS, PASSWORD, RESERVED, wait_for

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.core.record import record_of
from chaoslab.postgres.connections import EXHAUST, exhaust_connections
from chaoslab.postgres.contention import LOCK, lock_table, open_transaction
from chaoslab.postgres.replication import PAUSE, keeps_up, pause_replica
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.holder import Hold
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session, has_session


@pytest.fixture
def session(tmp_path):
    made = Session("faults", tmp_path / "run", state=tmp_path / "state")
    made.start({"id": "faults"})
    yield made
    if has_session():
        assert made.close("completed") == []


def findings(folder):
    return {finding.code for finding in record_of(read_events(folder / "run" / "events.jsonl")).findings}


def test_a_superuser_always_gets_in_and_a_share_is_a_share(pair, session):
    exhaust_connections(pair.dsn, share="50%")
    used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    assert pair.ask(used) == (MAX_CONNECTIONS - RESERVED) // 2
    psycopg.connect(pair.app_dsn).close()
    assert session.undo() == []
    exhaust_connections(pair.dsn)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(pair.app_dsn)
    assert pair.ask("SELECT 1") == 1


def test_slots_that_others_give_back_are_taken_and_who_is_to_be_cut_is_cut(pair, session):
    with psycopg.connect(pair.app_dsn, application_name="shop", autocommit=True) as shop:
        exhaust_connections(pair.app_dsn, end_first="shop")
        with pytest.raises(psycopg.OperationalError):
            shop.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(pair.app_dsn)


def test_no_password_enters_the_ledger_and_the_private_file_goes_with_the_fault(pair, session, tmp_path):
    exhaust_connections(pair.app_dsn, share="50%")
    [entry] = session.open_entries()
    held = Hold(entry.data["held"]).path
    assert held.stat().st_mode & 0o777 == 0o600
    texts = [path.read_text() for path in (tmp_path / "state" / "ledger").iterdir()]
    texts += [path.read_text() for path in (tmp_path / "run").iterdir()]
    assert PASSWORD not in "".join(texts)
    assert session.undo() == []
    assert not held.exists()


def test_a_lock_for_which_nobody_waits_did_not_bite(pair, session, tmp_path):
    lock_table(pair.dsn, table="public.visit")
    session.close("completed")
    assert findings(tmp_path) == {"fault-without-effect"}


def test_a_transaction_beside_which_nobody_writes_did_not_bite(pair, session, tmp_path):
    with psycopg.connect(pair.dsn):
        open_transaction(pair.dsn)
    session.close("completed")
    assert findings(tmp_path) == {"fault-without-effect"}


def test_vacuum_cannot_clean_up_behind_an_open_transaction(pair, session):
    pair.talk("UPDATE visit SET note = 'z' WHERE id = 2")
    open_transaction(pair.dsn)
    dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'visit'"
    with pair.admin() as connection:
        connection.execute("VACUUM visit")
        wait_for(lambda: connection.execute(dead).fetchone()[0] > 0, "dead rows stay")
        pair.rest()
        assert session.undo() == []
        connection.execute("VACUUM visit")
        wait_for(lambda: connection.execute(dead).fetchone()[0] == 0, "they are cleaned up")


def test_a_weaker_lock_keeps_out_writers_only(pair, session):
    pair.talk("UPDATE visit SET note = 'w' WHERE id = 3")
    lock_table(pair.dsn, table="visit", mode="share")
    assert pair.ask("SELECT count(*) FROM visit") == 100


def test_a_lock_that_is_not_to_be_had_is_given_up(pair, session):
    with pair.admin() as other:
        other.execute("BEGIN; LOCK TABLE visit")
        with pytest.raises(ChaoslabError, match=r"no lock on public\.visit: .*timeout"):
            lock_table(pair.dsn, table="visit", wait="300ms")
    assert session.open_entries() == []


def test_a_paused_standby_answers_with_old_rows_and_follows_again(pair, session):
    pause_replica(pair.standby_dsn)
    with pair.admin() as connection:
        connection.execute("INSERT INTO visit VALUES (1000 + (random() * 1e9)::bigint, 'new')")
    time.sleep(0.3)
    assert pair.ask("SELECT count(*) FROM visit WHERE note = 'new'", standby=True) == 0
    assert session.undo() == []
    wait_for(lambda: pair.ask("SELECT count(*) FROM visit WHERE note = 'new'", standby=True) == 1, "it follows")
    assert keeps_up(pair.standby_dsn, within="60s")
    with pair.admin() as connection:
        connection.execute("DELETE FROM visit WHERE note = 'new'")


def test_the_server_itself_resumes_replay_when_nobody_of_us_is_left(pair, monkeypatch, tmp_path):
    """There is no run here, so no reaper either, and the holder is killed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    data = pin_of(pause_replica)(pair.standby_dsn, ttl="5s").data
    PAUSE.inject(data)
    try:
        os.kill(Hold(data["held"]).read()["process"]["pid"], signal.SIGKILL)
        assert pair.ask("SELECT pg_is_wal_replay_paused()", standby=True)
        wait_for(lambda: not pair.ask("SELECT pg_is_wal_replay_paused()", standby=True), "replay goes on")
    finally:
        PAUSE.undo(data)


def test_a_standby_that_was_started_anew_is_left_as_it_is(pair, session):
    pause_replica(pair.standby_dsn)
    pair.standby.stop("fast")
    pair.standby.start()
    pair.ask("SELECT pg_wal_replay_pause()::text", standby=True)  # now by somebody else
    assert session.undo() == []
    assert pair.ask("SELECT pg_is_wal_replay_paused()", standby=True)
    pair.ask("SELECT pg_wal_replay_resume()::text", standby=True)


def test_what_must_not_be_hit_is_refused(pair):
    down = f"postgresql://app:{PASSWORD}@127.0.0.1:1/postgres"
    refusals = [
        (lambda: pin_of(pause_replica)(pair.dsn), "is a primary"),
        (lambda: pin_of(lock_table)(pair.standby_dsn, table="visit"), "is a standby"),
        (lambda: pin_of(open_transaction)(pair.standby_dsn), "is a standby"),
        (lambda: pin_of(lock_table)(pair.dsn, table="nothing"), "has no table public.nothing"),
        (lambda: pin_of(lock_table)(pair.dsn, table="pg_catalog.pg_class"), "belongs to the system"),
        (lambda: pin_of(lock_table)(pair.dsn, table="visit_pkey"), "is no table"),
        (lambda: pin_of(exhaust_connections)(pair.dsn, share="1%"), "is not even one"),
        (lambda: pin_of(exhaust_connections)(down), "Connection refused"),
        (lambda: pin_of(exhaust_connections)("nonsense"), "not a PostgreSQL connection string"),
        (lambda: pin_of(pause_replica)(down), "Connection refused"),
    ]
    for pin, reason in refusals:
        with pytest.raises(Refused) as refused:
            pin()
        assert reason in str(refused.value)
        assert PASSWORD not in str(refused.value)
    pair.ask("SELECT pg_wal_replay_pause()::text", standby=True)
    try:
        with pytest.raises(Refused, match="paused already, by an earlier run"):
            pin_of(pause_replica)(pair.standby_dsn)
    finally:
        pair.ask("SELECT pg_wal_replay_resume()::text", standby=True)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda dsn: pin_of(exhaust_connections)(dsn, share="101%"), "share"),
        (lambda dsn: pin_of(exhaust_connections)(dsn, share="0%"), "above 0%"),
        (lambda dsn: pin_of(exhaust_connections)(dsn, ttl="0s"), "longer than zero"),
        (lambda dsn: pin_of(lock_table)(dsn, table=" "), "write schema.table"),
        (lambda dsn: pin_of(lock_table)(dsn, table="visit", mode="VERY"), "none of ACCESS SHARE"),
        (lambda dsn: pin_of(lock_table)(dsn, table="visit", wait="1h"), "at most 1m"),
        (lambda dsn: pin_of(open_transaction)(dsn, ttl="soon"), "ttl"),
    ],
)
def test_arguments_that_make_no_sense_are_told(pair, call, reason):
    with pytest.raises(BadUsage, match=reason):
        call(pair.dsn)


def test_a_role_that_may_not_is_refused(pair):
    with pytest.raises(Refused, match="role app may not pause replay"):
        pin_of(pause_replica)(pair.standby.dsn(user="app", password=PASSWORD))
    with pair.admin() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS theirs (id int)")
        connection.execute("ALTER ROLE app CONNECTION LIMIT 5")
    try:
        with pytest.raises(Refused, match=r"role app may not lock public\.theirs"):
            pin_of(lock_table)(pair.app_dsn, table="theirs")
        with pytest.raises(Refused, match="role app may have 5 connections"):
            pin_of(exhaust_connections)(pair.app_dsn)
    finally:
        with pair.admin() as connection:
            connection.execute("ALTER ROLE app CONNECTION LIMIT -1")


def test_the_same_fault_twice_is_refused(pair, session):
    exhaust_connections(pair.dsn, share="50%")
    with pytest.raises(Refused, match="stands already|in use already"):
        exhaust_connections(pair.dsn, share="80%")


def test_a_holder_never_started_leaves_nothing_to_undo(pair, tmp_path):
    data = {"held": str(tmp_path / "none.json")}
    for fault in (EXHAUST, LOCK):
        fault.undo(data)
        assert json.loads(json.dumps(data)) == data
