"""A role that sees other rows than it should is named, whatever was accepted; the trial leaves nothing changed."""

import psycopg
import pytest

from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.proofs.row_security import parse_viewers
from chaoslab.postgres.proofs.row_security_trial import MOST_READERS, try_row_security

pytestmark = pytest.mark.postgres
TENANT = parse_viewers("healthfinance_app, app.tenant=2")
APP, OWNER = "healthfinance_app", "healthfinance_owner"


@pytest.fixture(scope="module")
def rules(forge):
    forge.renew()
    return collect_facts(forge.dsn, level="structure")["structure"]


@pytest.fixture
def copy(forge, rules):
    forge.renew()
    yield forge
    forge.execute(f"ALTER ROLE {APP} NOBYPASSRLS; REVOKE {OWNER} FROM {APP}")


def wrong(forge, rules, viewers=TENANT, **options):
    found = try_row_security(forge.dsn, rules, viewers=viewers, **options).differences
    assert {one.code for one in found} <= {"row-security-behaviour-differs"}, found
    return {one.where: (one.expected, one.actual) for one in found}


def rows(forge, table="clinic.patient", where="true"):
    with psycopg.connect(forge.dsn) as connection:
        return connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0]


def test_a_copy_lets_each_role_see_its_rows_and_stays_as_it_was(copy, rules):
    before = collect_facts(copy.dsn)
    done = try_row_security(copy.dsn, rules, viewers=TENANT)
    assert done.differences == []
    assert done.tried == 7  # patient: owner, app, readonly, a tenant; appointment: auditor, app, a tenant
    after = collect_facts(copy.dsn)
    assert {**before, "taken_at": ""} == {**after, "taken_at": "", "origin": before["origin"]}


def test_a_policy_that_lets_everything_through(copy, rules):
    copy.mutate("ALTER POLICY tenant_only ON clinic.patient USING (true)")
    everything = rows(copy)
    assert wrong(copy, rules) == {
        f"clinic.patient as {APP}, app.tenant=2": (rows(copy, where="tenant_id = 2"), everything),
        **{f"clinic.patient as {role}": (0, everything) for role in (APP, OWNER, "healthfinance_readonly")},
    }


def test_a_policy_that_shows_the_rows_of_another(copy, rules):
    copy.mutate(
        "UPDATE clinic.patient SET tenant_id = 1 + id % 2;"
        "ALTER POLICY tenant_only ON clinic.patient USING (tenant_id = 3 - clinic.current_tenant())"
    )
    as_many = rows(copy, where="tenant_id = 1") == rows(copy, where="tenant_id = 2")
    found = wrong(copy, rules)
    assert set(found) == {f"clinic.patient as {APP}, app.tenant=2"}
    assert bool(wrong(copy, rules, digests=False)) is not as_many  # a number alone tells less


def test_force_was_lost(copy, rules):
    copy.mutate("ALTER TABLE clinic.patient NO FORCE ROW LEVEL SECURITY")
    assert wrong(copy, rules) == {f"clinic.patient as {OWNER}": (0, rows(copy))}


def test_row_security_was_switched_off(copy, rules):
    copy.mutate("ALTER TABLE clinic.appointment DISABLE ROW LEVEL SECURITY")
    assert set(wrong(copy, rules)) == {f"clinic.appointment as {APP}{more}" for more in ("", ", app.tenant=2")}


def test_a_role_bypasses_the_policies(copy, rules):
    copy.execute(f"ALTER ROLE {APP} BYPASSRLS")
    assert {where.partition(" ")[0] for where in wrong(copy, rules)} == {"clinic.patient", "clinic.appointment"}


def test_a_role_got_into_the_owners(copy, rules):
    copy.execute(f"GRANT {OWNER} TO {APP}")
    found = wrong(copy, rules)
    assert f"clinic.appointment as {APP}, app.tenant=2" in found  # its policies are not forced upon the owner
    assert f"clinic.patient as {APP}, app.tenant=2" not in found


def test_a_policy_is_missing(copy, rules):
    copy.mutate("DROP POLICY auditors_read ON clinic.appointment")
    assert wrong(copy, rules) == {"clinic.appointment as healthfinance_auditor": (rows(copy, "clinic.appointment"), 0)}


def test_an_event_trigger_of_the_database_stays_out_of_it(copy, rules):
    copy.mutate(
        "CREATE FUNCTION public.never() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';"
        "CREATE EVENT TRIGGER never ON ddl_command_start EXECUTE FUNCTION public.never()"
    )
    assert wrong(copy, rules) == {}


def test_settings_of_a_role_hold_as_when_it_logs_in(copy, rules):
    copy.mutate("ALTER ROLE healthfinance_app IN DATABASE {database} SET app.tenant = '2'")
    copy.mutate("ALTER POLICY tenant_only ON clinic.patient USING (true)")
    two = rows(copy, where="tenant_id = 2")
    assert wrong(copy, rules)[f"clinic.patient as {APP}"] == (two, rows(copy))


def test_who_cannot_be_tried_is_told(copy, rules):
    copy.mutate("ALTER POLICY tenant_only ON clinic.patient USING (tenant_id = current_setting('not.set')::integer)")
    found = try_row_security(copy.dsn, rules, viewers=parse_viewers("nobody_of_that_name")).differences
    assert {(one.code, one.severity) for one in found} == {("row-security-not-tried", "warning")}
    told = {one.where: one.message for one in found}
    assert "not on the restored server" in told["clinic.patient as nobody_of_that_name"]
    assert 'unrecognized configuration parameter "not.set"' in told[f"clinic.patient as {APP}"]


def test_of_very_many_readers_some_are_tried(copy, rules):
    roles = {f"reader_{number}": {"superuser": False} for number in range(MOST_READERS + 5)}
    many = {**rules, "roles": {**rules["roles"], **roles}}
    many["policies"] = {"clinic.patient.tenant_only": {**rules["policies"]["clinic.patient.tenant_only"]}}
    many["policies"]["clinic.patient.tenant_only"]["roles"] = list(roles)
    found = try_row_security(copy.dsn, many).differences
    assert "6 more roles read clinic.patient" in found[0].message
