"""The restore drill with a dump that something is wrong with: it must come out failed, and say what.

The dumps are somebody else's: no manifest, made some time ago from a source that has gone on since.
"""

import gzip
import time

import pytest
from postgres_drill import dump, run, run_drill
from postgres_mutations import QUIETLY

from chaoslab.postgres.connect import connect

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def dumps(lab, forge, binaries, passable_root):
    """A healthy dump of the lab's database, and a copy of it to break."""
    folder = passable_root / "dumps"
    folder.mkdir()
    good = dump(binaries, lab["postgres"][0]["dsn"], folder / "good.dump")
    forge.execute(f"DROP DATABASE IF EXISTS {forge.database}")
    run([binaries.program("pg_restore"), "--create", f"--dbname={forge.cluster.dsn()}", good])
    forge.execute("DROP DATABASE original")
    forge.execute(f"ALTER DATABASE {forge.database} RENAME TO original")
    return folder


@pytest.fixture
def twin(dumps, forge, binaries, tmp_path):
    """Make a dump of a copy that was broken by SQL."""

    def make(sql, *options):
        forge.renew()
        if sql:
            forge.mutate(sql)
        return dump(binaries, forge.dsn, tmp_path / "twin.dump", *options)

    return make


@pytest.fixture
def drill(lab, state, tmp_path):
    """Run the drill with a dump on the lab's source."""

    def go(path, *variables):
        report = run_drill(tmp_path / "reports", f"backup={path}", *variables)
        assert report.data["residue"] == []
        return report

    return go


def failed_by(report, code, where=""):
    """Say whether a drill failed and named what is wrong."""
    assert report.outcome == "failed", report
    assert report.exit_code == 10
    assert any(found == code and where in place for found, place in report.findings()), report
    return True


def test_a_healthy_dump_passes_and_its_age_is_explained(drill, dumps, lab):
    with connect(lab["postgres"][0]["dsn"], read_only=False) as source:
        source.execute("UPDATE clinic.provider SET specialty = 'changed since' WHERE id = 3")
        source.execute("DELETE FROM clinic.import_line WHERE ctid = (SELECT min(ctid) FROM clinic.import_line)")
        source.execute("CREATE TABLE clinic.made_since (i integer)")
    report = drill(dumps / "good.dump")
    assert report.outcome == "passed", report
    notes = report.findings("note")
    assert {("explained-by-age", "clinic.provider"), ("explained-by-age", "clinic.import_line")} <= notes, report
    assert ("explained-by-age", "clinic.made_since") in notes, report
    assert ("explained-by-age", "chaoslab.heartbeat") in notes, report
    assert report.objectives["rpo"]["actual"]["low"] > 0


def test_a_truncated_dump(drill, dumps, tmp_path):
    whole = (dumps / "good.dump").read_bytes()
    (tmp_path / "cut.dump").write_bytes(whole[: len(whole) * 6 // 10])
    assert failed_by(drill(tmp_path / "cut.dump"), "backup-truncated")


def test_a_dump_cut_off_in_its_header(drill, dumps, tmp_path):
    (tmp_path / "cut.dump").write_bytes((dumps / "good.dump").read_bytes()[:2000])
    assert failed_by(drill(tmp_path / "cut.dump"), "backup-truncated")


def test_one_flipped_byte_in_compressed_data(drill, dumps, tmp_path):
    data = bytearray((dumps / "good.dump").read_bytes())
    data[len(data) // 2] ^= 0x10
    (tmp_path / "flipped.dump").write_bytes(data)
    assert failed_by(drill(tmp_path / "flipped.dump"), "backup-corrupt")


def test_one_flipped_byte_in_plain_data_is_found_in_the_content(drill, twin, tmp_path):
    path = twin("", "--compress=0")
    data = bytearray(path.read_bytes())
    place = data.index(b"consent form 3")
    data[place] ^= 0x20  # still a fine row: `Consent form 3`
    path.write_bytes(data)
    assert failed_by(drill(path), "content-differs", "clinic.document")


def test_a_plain_dump_cut_in_half(drill, forge, twin, binaries, tmp_path):
    twin("")
    whole = dump(binaries, forge.dsn, tmp_path / "plain.sql", form="plain").read_bytes()
    (tmp_path / "plain.sql").write_bytes(whole[: len(whole) // 2])
    assert failed_by(drill(tmp_path / "plain.sql"), "backup-truncated")


def test_a_damaged_compressed_plain_dump(drill, forge, twin, binaries, tmp_path):
    twin("")
    whole = dump(binaries, forge.dsn, tmp_path / "plain.sql", form="plain").read_bytes()
    packed = bytearray(gzip.compress(whole, 1))
    packed[len(packed) // 2] ^= 0x10
    (tmp_path / "plain.sql.gz").write_bytes(packed)
    assert failed_by(drill(tmp_path / "plain.sql.gz"), "backup-corrupt")


SQL_TWINS = {
    "one-row-changed": (
        QUIETLY + "UPDATE clinic.patient SET name = 'Somebody Else' WHERE id = 17",
        "content-differs",
        "clinic.patient",
    ),
    "one-row-missing": (
        QUIETLY + "DELETE FROM clinic.measurement WHERE id = 5",
        "row-count-differs",
        "clinic.measurement",
    ),
    "sequence-set-back": ("SELECT setval('clinic.patient_id_seq', 5)", "sequence-behind", "clinic.patient_id_seq"),
    "policy-dropped": ("DROP POLICY tenant_only ON clinic.patient", "policy-missing", "clinic.patient.tenant_only"),
    "constraint-dropped": (
        "ALTER TABLE clinic.appointment DROP CONSTRAINT ends_after_start",
        "constraint-missing",
        "ends_after_start",
    ),
    "index-missing": ("DROP INDEX clinic.patient_email", "index-missing", "clinic.patient_email"),
    "view-changed": (
        """CREATE OR REPLACE VIEW clinic.open_appointment AS
           SELECT id, patient_id, starts_at, status FROM clinic.appointment WITH LOCAL CHECK OPTION""",
        "view-differs",
        "clinic.open_appointment",
    ),
    "function-changed": (
        "CREATE OR REPLACE FUNCTION clinic.current_tenant() RETURNS integer LANGUAGE sql STABLE RETURN 1",
        "function-differs",
        "clinic.current_tenant()",
    ),
    "broken-link-in-the-hash-chain": (
        QUIETLY + "UPDATE audit.event SET detail = '{}' WHERE id = 50",
        "audit-chain-broken",
        "audit.event",
    ),
    "hole-in-the-heartbeat": (
        "DELETE FROM chaoslab.heartbeat WHERE id = (SELECT max(id) - 2 FROM chaoslab.heartbeat)",
        "heartbeat-hole",
        "",
    ),
}


OTHER_EYES = {
    "policy-loosened": ("ALTER POLICY tenant_only ON clinic.patient USING (true)", "policy-differs"),
    "not-forced-any-more": ("ALTER TABLE clinic.patient NO FORCE ROW LEVEL SECURITY", "row-security-differs"),
}


@pytest.mark.parametrize("name", OTHER_EYES)
def test_what_roles_see_is_tried_whatever_was_accepted(name, drill, twin):
    sql, accepted = OTHER_EYES[name]
    as_tenant = "row_security_as=healthfinance_app, app.tenant=2"
    report = drill(twin(sql), f"accept={accepted}@*: looked at and thought harmless", as_tenant)
    assert failed_by(report, "row-security-behaviour-differs", "clinic.patient as healthfinance_owner")
    assert report.codes() == {"row-security-behaviour-differs"}


@pytest.mark.parametrize("name", SQL_TWINS)
def test_a_dump_of_a_broken_copy(name, drill, twin):
    sql, code, where = SQL_TWINS[name]
    assert failed_by(drill(twin(sql)), code, where)


def test_a_table_left_out(drill, twin):
    path = twin("", "--exclude-table=billing.invoice")
    assert failed_by(drill(path), "table-missing", "billing.invoice")


def test_schema_only(drill, twin):
    assert failed_by(drill(twin("", "--schema-only")), "data-missing")


def test_the_data_of_one_table_left_out(drill, twin):
    path = twin("", "--exclude-table-data=clinic.patient")
    report = drill(path)
    assert failed_by(report, "row-count-differs", "clinic.patient")


def test_a_role_is_missing(drill, twin):
    path = twin("")
    roles = path.with_name("twin.globals.sql")
    kept = [line for line in roles.read_text().splitlines() if "healthfinance_readonly" not in line]
    roles.write_text("\n".join(kept))
    report = drill(path)
    assert failed_by(report, "role-missing", "healthfinance_readonly")
    assert "grant-missing" in report.codes()


def test_a_dump_without_its_roles(drill, twin):
    path = twin("")
    path.with_name("twin.globals.sql").unlink()
    report = drill(path)
    assert failed_by(report, "role-missing", "healthfinance_owner")
    assert report.codes("warning") == {"globals-absent", "row-security-not-tried"}


def test_a_dump_without_its_roles_but_with_the_source_s(drill, twin):
    path = twin("")
    path.with_name("twin.globals.sql").unlink()
    report = drill(path, "globals=source")
    assert report.outcome == "passed", report
    assert report.codes("warning") == {"globals-from-source"}


def test_a_stale_dump_beyond_the_objective(drill, dumps, tmp_path, lab):
    """The objective is 15 minutes in the catalog; here it is a moment, and the dump is older."""
    from importlib.resources import files

    import yaml

    shipped = files("chaoslab").parent / "drills" / "postgres-restore" / "drill.yaml"
    file = yaml.safe_load(shipped.read_text())
    file["extensions"][0]["objectives"]["rpo"] = "500ms"
    strict = tmp_path / "strict.yaml"
    strict.write_text(yaml.safe_dump(file))
    time.sleep(1)
    report = run_drill(tmp_path / "reports", f"backup={dumps / 'good.dump'}", file=str(strict))
    assert failed_by(report, "recovery-point-beyond-objective")
    assert report.objectives["rpo"]["outcome"] == "missed"


def test_a_dump_of_another_database(drill, forge, twin, binaries, tmp_path):
    twin("")
    other = dump(binaries, forge.cluster.dsn("original"), tmp_path / "other.dump")
    report = drill(other)
    assert failed_by(report, "backup-of-another-database")


def test_what_was_accepted_with_a_reason_is_told_and_does_not_count(drill, twin):
    path = twin("", "--exclude-table=clinic.never_used", "--exclude-table=clinic.import_line")
    reason = "accept=table-missing@clinic.never_*: nobody has ever used it"
    assert failed_by(drill(path, reason), "table-missing", "clinic.import_line")
    report = drill(path, f"{reason}; table-missing@clinic.import_line: it is imported anew every night")
    assert report.outcome == "passed", report
    assert ("table-missing", "clinic.never_used") in report.findings("note")
