"""What the lab's databases hold: everything that a restore has to bring back."""

import subprocess
import sys
import time

import psycopg
import pytest

from chaoslab.lab.audit import AUDIT_PAYLOAD, AUDIT_RULE, GENESIS, link
from chaoslab.lab.databases import LabFailed, complete_databases, create_database, drop_database
from chaoslab.postgres.proofs.audit import AuditRule, audit_facts

INVENTORY = {
    "enum, domain, composite and range types": "SELECT count(DISTINCT typtype) FROM pg_type JOIN pg_namespace n ON "
    "n.oid = typnamespace WHERE nspname IN ('clinic', 'billing') AND typtype IN ('e', 'd', 'r')",
    "composite type": "SELECT count(*) FROM pg_class WHERE relkind = 'c' AND relname = 'address'",
    "views": "SELECT count(*) FROM pg_views WHERE schemaname IN ('clinic', 'billing')",
    "materialized view with rows": "SELECT count(*) FROM clinic.provider_load",
    "partitions": "SELECT count(*) FROM pg_inherits WHERE inhparent = 'billing.payment'::regclass",
    "every partition has rows": "SELECT count(DISTINCT tableoid) - 3 FROM billing.payment",
    "foreign keys": "SELECT count(*) FROM pg_constraint WHERE contype = 'f'",
    "deferrable": "SELECT count(*) FROM pg_constraint WHERE condeferred",
    "checks": "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND connamespace = 'clinic'::regnamespace",
    "partial index": "SELECT count(*) FROM pg_index WHERE indpred IS NOT NULL",
    "expression index": "SELECT count(*) FROM pg_index WHERE indexprs IS NOT NULL",
    "gin and hash": "SELECT count(*) - 1 FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE amname IN ('gin', 'hash')",
    "policies": "SELECT count(*) FROM pg_policies",
    "restrictive policy": "SELECT count(*) FROM pg_policies WHERE permissive = 'RESTRICTIVE'",
    "forced row security": "SELECT count(*) FROM pg_class WHERE relforcerowsecurity",
    "triggers": "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
    "functions and a procedure": "SELECT count(DISTINCT prokind) - 1 FROM pg_proc WHERE proname IN ('settle', 'touch')",
    "identity": "SELECT count(*) FROM pg_attribute WHERE attidentity IN ('a', 'd')",
    "generated": "SELECT count(*) FROM pg_attribute WHERE attgenerated = 's'",
    "sequence in steps": "SELECT count(*) FROM pg_sequences WHERE increment_by = 7 AND last_value > 100007",
    "large objects": "SELECT count(*) FROM pg_largeobject_metadata",
    "comments": "SELECT count(*) FROM pg_description WHERE objoid = 'audit.event'::regclass",
    "default privileges": "SELECT count(*) FROM pg_default_acl",
    "column grants": "SELECT count(*) FROM pg_attribute WHERE attacl IS NOT NULL "
    "AND attrelid = 'audit.event'::regclass",
    "memberships": "SELECT count(*) FROM pg_auth_members WHERE roleid = 'healthfinance_readonly'::regrole",
    "role settings": "SELECT count(*) FROM pg_roles WHERE rolname = 'healthfinance_app' AND rolconfig IS NOT NULL",
    "database settings": "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase "
    "WHERE datname = current_database()",
    "statistics": "SELECT count(*) FROM pg_statistic_ext",
    "NaN, both kinds": "SELECT count(*) FROM clinic.measurement WHERE value = 'NaN' AND exact IS DISTINCT FROM 0",
    "NaN balance": "SELECT count(*) FROM clinic.patient WHERE balance = 'NaN'",
    "NULL beside NaN": "SELECT count(*) FROM clinic.patient WHERE balance IS NULL",
    "minus zero": "SELECT count(*) FROM clinic.measurement WHERE value::text = '-0'",
    "infinite instant": "SELECT count(*) FROM clinic.measurement WHERE taken_at = 'infinity'",
    "binary": "SELECT count(*) FROM clinic.patient WHERE length(photo) = 48",
    "arrays with NULL": "SELECT count(*) FROM clinic.patient WHERE array_position(tags, NULL) = 2",
    "rows without a key, some equal": "SELECT count(*) - count(DISTINCT l) FROM clinic.import_line l",
    "odd names": 'SELECT count("select") FROM clinic."Odd ""Name"""',
    "an empty table": "SELECT 1 - count(*) FROM clinic.never_used",
}


@pytest.fixture(scope="module")
def database(make_database):
    return make_database(size_mb=2)


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("what", INVENTORY)
def test_it_holds(connection, what):
    assert connection.execute(INVENTORY[what]).fetchone()[0] > 0


def test_its_size_is_about_what_was_asked_for(connection):
    query = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
    query += "WHERE relkind IN ('r', 'm') AND nspname IN ('clinic', 'billing', 'audit')"
    assert 1.5 < int(connection.execute(query).fetchone()[0]) / 1e6 < 3.5


def test_the_audit_chain_can_be_recomputed_here_and_there(connection):
    query = f"SELECT id, prev_hash, hash, {AUDIT_PAYLOAD} FROM audit.event ORDER BY id"
    previous, count = GENESIS, 0
    for number, claimed, own, payload in connection.execute(query):
        count += 1
        assert number == count
        assert claimed == previous
        previous = link(previous, payload)
        assert own == previous
    facts = audit_facts(connection, AuditRule.parse(AUDIT_RULE))
    assert (facts["rows"], facts["broken"], facts["head"]) == (count, 0, "\\x" + previous.hex())


def test_the_audit_log_is_append_only(connection):
    for statement in ("UPDATE audit.event SET actor = 'x'", "DELETE FROM audit.event", "TRUNCATE audit.event"):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute(statement)


def test_a_tampered_row_breaks_the_chain(make_database):
    with psycopg.connect(make_database(size_mb=0.1), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE audit.event SET detail = '{}' WHERE id = 7")
        facts = audit_facts(connection, AuditRule.parse(AUDIT_RULE))
        assert (facts["broken"], facts["first_broken"]) == (1, "7")


def test_changes_leave_a_trace_in_the_audit_log(connection):
    with connection.transaction(force_rollback=True):
        before = connection.execute("SELECT max(id) FROM audit.event").fetchone()[0]
        connection.execute("UPDATE clinic.appointment SET status = 'missed' WHERE id IN (1, 2)")
        query = "SELECT action, entity FROM audit.event WHERE id > %s ORDER BY id"
        assert connection.execute(query, (before,)).fetchall() == [
            ("update", "appointment/1"),
            ("update", "appointment/2"),
        ]


def test_tenants_are_kept_apart(connection):
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE healthfinance_app")
        count = "SELECT count(DISTINCT tenant_id) FROM clinic.appointment"
        assert connection.execute(count).fetchone() == (0,), "without a tenant, nothing"
        connection.execute("SET LOCAL app.tenant = '2'")
        assert connection.execute(count).fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("UPDATE clinic.appointment SET tenant_id = 3 WHERE id = 2")
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE healthfinance_owner")
        assert connection.execute("SELECT count(*) FROM clinic.patient").fetchone() == (0,), "FORCE: for the owner too"
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE healthfinance_auditor")
        assert connection.execute(count).fetchone() == (4,)


def test_the_same_name_gives_the_same_rows(lab, make_database):
    digests = []
    for size in (0.2, 0.2):
        make_database(size_mb=size, name="twin")
        with psycopg.connect(lab["server"]["dsn"].rpartition("/")[0] + "/twin") as connection:
            tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN "
            tables += "('clinic', 'billing', 'audit') ORDER BY 1"
            digests.append(
                [
                    connection.execute(f"SELECT sum(hashtextextended(t::text, 0)::numeric) FROM {name} t").fetchone()
                    for (name,) in connection.execute(tables).fetchall()
                ]
            )
        with psycopg.connect(lab["server"]["dsn"], autocommit=True) as admin:
            admin.execute("DROP DATABASE twin")
    assert digests[0] == digests[1]
    assert len([digest for digest in digests[0] if digest[0]]) > 12


def test_a_database_that_exists_is_refused_and_left_alone(lab, database, connection):
    name = connection.info.dbname
    with pytest.raises(LabFailed, match=f'database {name} could not be made: database "{name}" already exists'):
        create_database(lab["server"]["dsn"], name)
    assert connection.execute("SELECT count(*) FROM clinic.patient").fetchone()[0] > 0


def test_a_database_that_cannot_be_filled_is_removed_again(lab, monkeypatch):
    monkeypatch.setattr("chaoslab.lab.databases.script", lambda name: b"SELECT 1/0" if "data" in name else b"SELECT 1")
    with pytest.raises(LabFailed, match="doomed could not be made: division by zero"):
        create_database(lab["server"]["dsn"], "doomed")
    with psycopg.connect(lab["server"]["dsn"]) as admin:
        assert admin.execute("SELECT count(*) FROM pg_database WHERE datname = 'doomed'").fetchone() == (0,)


@pytest.mark.parametrize("delay_s", [0.02, 0.04, 0.06, 0.1, 0.2])
def test_what_a_killed_maker_left_to_the_server_is_waited_for(lab, delay_s):
    admin = lab["server"]["dsn"]
    code = """
import sys
from chaoslab.lab.databases import create_database
from chaoslab.postgres.connect import load_psycopg
load_psycopg()
print("now", flush=True)
create_database(sys.argv[1], "cut_off", 1)
"""
    maker = subprocess.Popen([sys.executable, "-c", code, admin], stdout=subprocess.PIPE)
    with maker:
        maker.stdout.readline()
        time.sleep(delay_s)
        maker.kill()
    drop_database(admin, "cut_off")
    create_database(admin, "cut_off", 1)
    drop_database(admin, "cut_off")


def test_only_complete_databases_count(lab):
    assert complete_databases(lab["server"]["dsn"]) == [database["name"] for database in lab["postgres"]]
