"""A dump without a manifest against a source that has gone on: age explains what it can, and nothing else."""

import subprocess

import psycopg
import pytest

from chaoslab.lab.audit import AUDIT_RULE
from chaoslab.postgres.comparison.age import compare_with_live
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.connect import connect
from chaoslab.postgres.logical.archive import open_backup
from chaoslab.postgres.logical.restore import Restoring, restore_backup
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.servers.scratch import make, provision, remove

pytestmark = pytest.mark.postgres
NAME = "age_test"
BEAT = "INSERT INTO chaoslab.heartbeat VALUES (%s, clock_timestamp() - make_interval(secs => %s))"
QUIETLY = "SET session_replication_role = replica"


@pytest.fixture(scope="module")
def server(passable_root, binaries):
    scratch = make(passable_root / "age", "token")
    yield scratch, provision(scratch, binaries, profile="verify", jobs=2, deadline_s=60)
    remove(scratch.folder, "token")


@pytest.fixture(scope="module")
def dumped(lab, make_database, binaries, tmp_path_factory):
    """A database whose dump was made between two beats, and that goes on afterwards; as a template."""
    dsn = make_database(size_mb=1, name="age_origin")
    with connect(dsn, read_only=False) as source:
        source.execute("VACUUM FREEZE")
        source.execute(BEAT, [1, 300])
        source.execute(BEAT, [2, 120])
        source.execute("INSERT INTO clinic.import_line VALUES ('young, and in the dump', '2026-01-01')")
        source.execute(BEAT, [3, 0])
    folder = tmp_path_factory.mktemp("age")
    with connect(lab["server"]["dsn"], read_only=False) as admin:
        admin.execute(f"ALTER DATABASE age_origin RENAME TO {NAME}")
        command = ["--format=custom", f"--file={folder / 'age.dump'}", f"--dbname={dsn.replace('age_origin', NAME)}"]
        subprocess.run([binaries.program("pg_dump"), *command], check=True)
        roles = ["--globals-only", f"--file={folder / 'globals.sql'}", f"--dbname={dsn.replace('age_origin', NAME)}"]
        subprocess.run([binaries.program("pg_dumpall"), *roles], check=True)
        admin.execute(f"ALTER DATABASE {NAME} RENAME TO age_origin")
    return folder / "age.dump"


class Pair:
    """A source that goes on, and what was restored of it."""

    def __init__(self, source_dsn, restored_dsn):
        self.source_dsn, self.restored_dsn = source_dsn, restored_dsn

    def source(self, *statements):
        self._run(self.source_dsn, statements)

    def restored(self, *statements):
        self._run(self.restored_dsn, statements)

    def compared(self):
        rule = AuditRule.parse(AUDIT_RULE)
        live = Live(self.source_dsn, self.restored_dsn, bootstrap="postgres", audit=rule)
        return compare_with_live(live)[0]

    def failures(self):
        return [(one.code, one.where) for one in self.compared() if one.severity == "failure"]

    def notes(self):
        return {one.where: one.message for one in self.compared() if one.severity == "note"}

    def _run(self, dsn, statements):
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def pair(lab, dumped, server, binaries):
    admin_dsn = lab["server"]["dsn"]
    scratch, cluster = server
    with connect(cluster.dsn("template1"), read_only=False) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME}")
    restored = restore_backup(open_backup(dumped, binaries), Restoring(scratch, cluster, binaries))
    assert restored.differences == []
    with connect(admin_dsn, read_only=False) as admin:
        admin.execute(f"CREATE DATABASE {NAME} TEMPLATE age_origin OWNER healthfinance_owner")
        admin.execute(f"ALTER DATABASE {NAME} SET datestyle = 'ISO, DMY'")
        admin.execute(f"GRANT CONNECT ON DATABASE {NAME} TO healthfinance_readonly")
        about = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'age_origin'"
        admin.execute(f"COMMENT ON DATABASE {NAME} IS '{admin.execute(about).fetchone()[0]}'")
    pair = Pair(admin_dsn.rpartition("/")[0] + f"/{NAME}", cluster.dsn(NAME))
    yield pair
    with connect(admin_dsn, read_only=False) as admin:
        admin.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def test_a_source_that_stood_still_is_no_different(pair):
    assert [one for one in pair.compared() if one.severity != "note"] == []


def test_whatever_came_since_is_explained(pair):
    pair.source(
        "INSERT INTO chaoslab.heartbeat VALUES (4, clock_timestamp())",
        "UPDATE clinic.provider SET rating = 2 WHERE id < 9",
        "DELETE FROM clinic.import_line WHERE line LIKE 'line 3%'",
        "INSERT INTO clinic.never_used SELECT i FROM generate_series(1, 50) i",
        "SELECT setval('clinic.patient_id_seq', 99999)",
        "INSERT INTO audit.event (at, actor, action, entity) VALUES (now(), 'x', 'read', 'y')",
        "ALTER TABLE clinic.provider ADD COLUMN note text DEFAULT 'new'",
        "CREATE INDEX made_since ON clinic.provider (rating)",
        "CREATE OR REPLACE VIEW clinic.open_appointment AS "
        "SELECT id, patient_id, starts_at, status FROM clinic.appointment",
        "DROP POLICY no_history_rewritten ON clinic.appointment",
        "CREATE ROLE made_since",
        "VACUUM FREEZE",
    )
    try:
        assert [one for one in pair.compared() if one.severity != "note"] == []
        notes = pair.notes()
        assert "made or changed" in notes["made_since"]
        assert "8 rows were changed or deleted" in notes["clinic.provider"]
        assert "50 rows came" in notes["clinic.never_used"]
        assert "made or changed" in notes["clinic.made_since"]
        assert "taken away there since" in notes["clinic.appointment.no_history_rewritten"]
    finally:
        pair.source("DROP ROLE made_since")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE clinic.provider SET name = 'x' WHERE id = 12", "content-differs"),
        ("DELETE FROM clinic.provider WHERE id = 12", "row-count-differs"),
        ("UPDATE clinic.provider SET rating = NULL WHERE id = 11", "content-differs"),
    ],
)
def test_damage_is_found_in_a_table_that_was_busy_since(pair, sql, code):
    pair.source(
        "UPDATE clinic.provider SET rating = 2 WHERE id < 9",
        "INSERT INTO clinic.provider (tenant_id, name) SELECT 1, 'since ' || i FROM generate_series(1, 30) i",
    )
    pair.restored(QUIETLY, "SET client_min_messages = error", sql)
    found = pair.failures()
    # More rows came back than are older than the dump, so a missing one shows by its content.
    assert [where for _, where in found] == ["clinic.provider"]
    assert found[0][0] in {code, "content-differs"}


def test_a_definition_that_is_older_than_the_dump_is_no_matter_of_age(pair):
    pair.restored("DROP POLICY auditors_read ON clinic.appointment", "DROP INDEX clinic.patient_email")
    pair.source("CREATE INDEX made_since ON clinic.patient (born)")
    assert sorted(code for code, _ in pair.failures()) == ["index-missing", "policy-missing"]


def test_a_right_that_the_source_has_long_taken_away(pair):
    pair.restored("GRANT SELECT ON clinic.patient TO PUBLIC", "GRANT SELECT ON clinic.tenant TO PUBLIC")
    pair.restored("ALTER TABLE billing.invoice ENABLE ROW LEVEL SECURITY")
    pair.source("REVOKE SELECT ON clinic.tenant FROM healthfinance_app")
    assert sorted(pair.failures()) == [
        ("object-unexpected", "billing.invoice"),
        ("object-unexpected", "select on table clinic.patient to public"),
    ]


def test_large_objects(pair):
    pair.source("SELECT lo_from_bytea(0, 'made since')")
    assert pair.failures() == []
    pair.restored("SELECT lo_unlink((SELECT min(content) FROM clinic.document))")
    assert ("large-objects-differ", "large objects") in pair.failures()


def test_a_chain_that_was_cut_or_rewritten(pair):
    pair.restored(QUIETLY, "UPDATE audit.event SET hash = sha256(hash) WHERE id = (SELECT max(id) FROM audit.event)")
    assert ("audit-chain-broken", "audit.event") in pair.failures()


def test_without_a_heartbeat_a_difference_leaves_the_question_open(pair):
    pair.source("UPDATE clinic.provider SET rating = 2 WHERE id < 9")
    for run in (pair.source, pair.restored):
        run("TRUNCATE chaoslab.heartbeat")
    found = [one for one in pair.compared() if one.severity != "note"]
    assert [(one.code, one.severity) for one in found] == [("content-differs", "unknown")]
    assert "nothing tells whether the backup's age explains it" in found[0].message


def test_without_a_heartbeat_an_empty_database_is_still_a_failure(pair):
    for run in (pair.source, pair.restored):
        run("TRUNCATE chaoslab.heartbeat")
    pair.restored(
        """DO $$ DECLARE one text; BEGIN SET LOCAL session_replication_role = replica;
           FOR one IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
               WHERE schemaname IN ('clinic', 'billing', 'audit')
           LOOP EXECUTE 'DELETE FROM ' || one; END LOOP; END $$"""
    )
    assert ("data-missing", "all tables") in pair.failures()


def test_a_heartbeat_that_the_source_has_no_more_is_no_boundary(pair):
    pair.source("DELETE FROM chaoslab.heartbeat", "UPDATE clinic.provider SET rating = 2 WHERE id < 9")
    found = pair.compared()
    assert any(one.severity == "unknown" and "is not in the source any more" in one.message for one in found)


def test_a_table_that_was_written_anew_since_is_explained(pair):
    pair.source("VACUUM FULL clinic.provider", "ALTER TABLE clinic.provider ALTER tenant_id TYPE bigint")
    assert pair.failures() == []
