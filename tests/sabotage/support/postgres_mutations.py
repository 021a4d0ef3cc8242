"""What can be wrong with a restored database: SQL that makes it so, and the finding that must name it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One thing that is wrong."""

    name: str
    sql: str
    code: str
    where: str = ""


# Rows are changed as a broken restore would leave them: no trigger notices.
QUIETLY = "SET session_replication_role = replica; "

MUTATIONS = [
    Mutation("table-left-out", "DROP TABLE clinic.measurement", "table-missing", "clinic.measurement"),
    Mutation("empty-table-left-out", "DROP TABLE clinic.never_used", "table-missing", "clinic.never_used"),
    Mutation("partition-left-out", "DROP TABLE billing.payment_2025_h2", "table-missing", "billing.payment_2025_h2"),
    Mutation(
        "row-changed",
        QUIETLY + "UPDATE clinic.patient SET balance = 1.10 WHERE id = (SELECT min(id) FROM clinic.patient)",
        "content-differs",
        "clinic.patient",
    ),
    Mutation(
        "values-swapped",
        QUIETLY
        + """UPDATE clinic.provider a SET rating = b.rating FROM clinic.provider b
             WHERE (a.id, b.id) IN ((1, 2), (2, 1))""",
        "content-differs",
        "clinic.provider",
    ),
    Mutation(
        "null-became-empty",
        QUIETLY + "UPDATE clinic.appointment SET notes = '' WHERE id = 6",
        "content-differs",
        "clinic.appointment",
    ),
    Mutation(
        "nan-became-null",
        QUIETLY + "UPDATE clinic.measurement SET value = NULL WHERE id = 101",
        "content-differs",
        "clinic.measurement",
    ),
    Mutation(
        "number-lost-its-scale",
        QUIETLY + "UPDATE clinic.measurement SET exact = 0.1 WHERE id = 104",
        "content-differs",
        "clinic.measurement",
    ),
    Mutation(
        "row-missing",
        QUIETLY + "DELETE FROM billing.payment WHERE id = (SELECT max(id) FROM billing.payment)",
        "row-count-differs",
    ),
    Mutation(
        "row-of-equals-missing",
        "DELETE FROM clinic.import_line WHERE ctid = (SELECT min(ctid) FROM clinic.import_line)",
        "row-count-differs",
        "clinic.import_line",
    ),
    Mutation(
        "sequence-set-back",
        "SELECT setval('clinic.patient_id_seq', 1)",
        "sequence-behind",
        "clinic.patient_id_seq",
    ),
    Mutation(
        "policy-dropped",
        "DROP POLICY tenant_only ON clinic.patient",
        "policy-missing",
        "clinic.patient.tenant_only",
    ),
    Mutation(
        "policy-weakened",
        "ALTER POLICY tenant_only ON clinic.patient USING (true)",
        "policy-differs",
        "clinic.patient.tenant_only",
    ),
    Mutation(
        "row-security-off",
        "ALTER TABLE clinic.appointment DISABLE ROW LEVEL SECURITY",
        "row-security-missing",
        "clinic.appointment",
    ),
    Mutation(
        "row-security-not-forced",
        "ALTER TABLE clinic.patient NO FORCE ROW LEVEL SECURITY",
        "row-security-differs",
        "clinic.patient",
    ),
    Mutation(
        "constraint-dropped",
        "ALTER TABLE clinic.appointment DROP CONSTRAINT ends_after_start",
        "constraint-missing",
        "clinic.appointment.ends_after_start",
    ),
    Mutation(
        "constraint-not-validated",
        """ALTER TABLE clinic.provider DROP CONSTRAINT rating_is_from_1_to_5;
           ALTER TABLE clinic.provider ADD CONSTRAINT rating_is_from_1_to_5
           CHECK (rating BETWEEN 1 AND 5) NOT VALID""",
        "constraint-differs",
    ),
    Mutation("index-missing", "DROP INDEX clinic.patient_email", "index-missing", "clinic.patient_email"),
    Mutation(
        "index-differs",
        """DROP INDEX clinic.appointment_open;
           CREATE INDEX appointment_open ON clinic.appointment (starts_at)""",
        "index-differs",
        "clinic.appointment_open",
    ),
    Mutation(
        "view-changed",
        """CREATE OR REPLACE VIEW billing.revenue_by_month WITH (security_barrier) AS
           SELECT date_trunc('month', paid_at AT TIME ZONE 'UTC')::date AS month, currency, sum(amount) AS revenue,
                  count(*) AS payments FROM billing.payment WHERE amount > 0 GROUP BY 1, 2""",
        "view-differs",
        "billing.revenue_by_month",
    ),
    Mutation(
        "view-without-barrier",
        "ALTER VIEW billing.revenue_by_month RESET (security_barrier)",
        "view-differs",
        "billing.revenue_by_month",
    ),
    Mutation("view-missing", "DROP VIEW clinic.open_appointment", "view-missing", "clinic.open_appointment"),
    Mutation(
        "function-changed",
        """CREATE OR REPLACE FUNCTION clinic.touch() RETURNS trigger LANGUAGE plpgsql AS
           $$BEGIN RETURN NEW; END$$""",
        "function-differs",
        "clinic.touch()",
    ),
    Mutation(
        "function-missing",
        "DROP FUNCTION billing.outstanding(bigint)",
        "function-missing",
        "billing.outstanding(bigint)",
    ),
    Mutation(
        "trigger-disabled",
        "ALTER TABLE audit.event DISABLE TRIGGER append_only",
        "trigger-differs",
        "audit.event.append_only",
    ),
    Mutation("trigger-missing", "DROP TRIGGER touch ON clinic.patient", "trigger-missing", "clinic.patient.touch"),
    Mutation(
        "default-lost",
        "ALTER TABLE clinic.provider ALTER specialty DROP DEFAULT",
        "column-differs",
        "clinic.provider.specialty",
    ),
    Mutation(
        "not-null-lost",
        "ALTER TABLE clinic.provider ALTER specialty DROP NOT NULL",
        "column-differs",
        "clinic.provider.specialty",
    ),
    Mutation(
        "column-missing", "ALTER TABLE clinic.provider DROP COLUMN office", "column-missing", "clinic.provider.office"
    ),
    Mutation(
        "enum-reordered",
        "ALTER TYPE clinic.appointment_status RENAME VALUE 'missed' TO 'lost'",
        "type-differs",
        "clinic.appointment_status",
    ),
    Mutation(
        "domain-without-check",
        "ALTER DOMAIN clinic.email DROP CONSTRAINT looks_like_one",
        "constraint-missing",
        "clinic.email.looks_like_one",
    ),
    Mutation(
        "grant-lost",
        "REVOKE UPDATE ON clinic.appointment FROM healthfinance_app",
        "grant-missing",
        "update on table clinic.appointment to healthfinance_app",
    ),
    Mutation(
        "column-grant-lost",
        "REVOKE SELECT (hash) ON audit.event FROM healthfinance_app",
        "grant-missing",
        "select on column audit.event.hash to healthfinance_app",
    ),
    Mutation(
        "grant-option-lost",
        "REVOKE GRANT OPTION FOR SELECT ON audit.event FROM healthfinance_auditor",
        "grant-differs",
    ),
    Mutation(
        "everybody-may-read",
        "GRANT SELECT ON clinic.patient TO PUBLIC",
        "object-unexpected",
        "select on table clinic.patient to public",
    ),
    Mutation(
        "default-privilege-lost",
        """ALTER DEFAULT PRIVILEGES FOR ROLE healthfinance_owner IN SCHEMA clinic
           REVOKE SELECT ON TABLES FROM healthfinance_readonly""",
        "default-privilege-missing",
    ),
    Mutation(
        "owner-changed",
        "ALTER TABLE clinic.tenant OWNER TO postgres",
        "owner-differs",
        "table clinic.tenant",
    ),
    Mutation(
        "statistics-missing",
        "DROP STATISTICS clinic.appointment_tenants",
        "object-missing",
        "statistics object clinic.appointment_tenants",
    ),
    Mutation("comment-lost", "COMMENT ON TABLE audit.event IS NULL", "comment-missing", "table audit.event"),
    Mutation(
        "large-object-lost",
        "SELECT lo_unlink((SELECT min(content) FROM clinic.document))",
        "large-objects-differ",
    ),
    Mutation(
        "large-object-changed",
        "SELECT lo_put((SELECT min(content) FROM clinic.document), 0, 'x')",
        "large-objects-differ",
    ),
    Mutation(
        "large-object-right-lost",
        """DO $$ BEGIN EXECUTE format('REVOKE SELECT ON LARGE OBJECT %s FROM healthfinance_app',
           (SELECT min(content) FROM clinic.document)); END $$""",
        "large-objects-differ",
    ),
    Mutation(
        "audit-row-changed",
        QUIETLY + "UPDATE audit.event SET actor = 'nobody' WHERE id = 7",
        "audit-chain-broken",
        "audit.event",
    ),
    Mutation(
        "audit-row-taken-out",
        QUIETLY + "DELETE FROM audit.event WHERE id = 7",
        "audit-chain-broken",
        "audit.event",
    ),
    Mutation(
        "audit-end-cut-off",
        QUIETLY + "DELETE FROM audit.event WHERE id > 90",
        "audit-chain-shortened",
        "audit.event",
    ),
    Mutation(
        "extra-row",
        "INSERT INTO clinic.never_used VALUES (1, 'x')",
        "row-count-differs",
        "clinic.never_used",
    ),
    Mutation("extra-table", "CREATE TABLE clinic.extra (i integer)", "object-unexpected", "clinic.extra"),
    Mutation(
        "all-rows-gone",
        """DO $$ DECLARE one text; BEGIN SET LOCAL session_replication_role = replica;
           FOR one IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
               WHERE schemaname IN ('clinic', 'billing', 'audit', 'chaoslab')
           LOOP EXECUTE 'DELETE FROM ' || one; END LOOP; END $$""",
        "data-missing",
    ),
    Mutation(
        "unlogged",
        "ALTER TABLE clinic.import_line SET UNLOGGED",
        "table-differs",
        "clinic.import_line",
    ),
    Mutation(
        "database-setting-lost",
        "ALTER DATABASE {database} RESET datestyle",
        "setting-missing",
    ),
]
