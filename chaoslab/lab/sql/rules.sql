-- What guards and speeds up the data: keys, indexes, policies, functions, views, rights.
SET ROLE healthfinance_owner;

ALTER TABLE clinic.provider
    ADD FOREIGN KEY (tenant_id) REFERENCES clinic.tenant,
    ADD CONSTRAINT rating_is_from_1_to_5 CHECK (rating BETWEEN 1 AND 5);
ALTER TABLE clinic.patient
    ADD FOREIGN KEY (tenant_id) REFERENCES clinic.tenant,
    ADD CONSTRAINT one_number_per_tenant UNIQUE (tenant_id, national_number);
ALTER TABLE clinic.appointment
    ADD FOREIGN KEY (tenant_id) REFERENCES clinic.tenant,
    ADD FOREIGN KEY (patient_id) REFERENCES clinic.patient ON DELETE CASCADE,
    ADD FOREIGN KEY (provider_id) REFERENCES clinic.provider ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE clinic.measurement ADD FOREIGN KEY (patient_id) REFERENCES clinic.patient ON DELETE CASCADE;
ALTER TABLE clinic.document ADD FOREIGN KEY (patient_id) REFERENCES clinic.patient;
ALTER TABLE billing.invoice ADD FOREIGN KEY (patient_id) REFERENCES clinic.patient;
ALTER TABLE billing.payment ADD FOREIGN KEY (invoice_number) REFERENCES billing.invoice;

CREATE INDEX appointment_by_patient ON clinic.appointment (patient_id, starts_at DESC NULLS LAST);
CREATE INDEX appointment_open ON clinic.appointment (starts_at) WHERE status IN ('requested', 'confirmed');
CREATE UNIQUE INDEX patient_email ON clinic.patient (lower(email)) WHERE email IS NOT NULL;
CREATE INDEX patient_profile ON clinic.patient USING gin (profile jsonb_path_ops);
CREATE INDEX measurement_by_patient ON clinic.measurement (patient_id) INCLUDE (taken_at);
CREATE INDEX payment_by_invoice ON billing.payment (invoice_number);
CREATE INDEX audit_by_entity ON audit.event USING hash (entity);
CREATE STATISTICS clinic.appointment_tenants (dependencies) ON tenant_id, provider_id FROM clinic.appointment;
COMMENT ON INDEX clinic.appointment_open IS 'the reception''s daily list';

COMMENT ON TABLE audit.event IS 'append-only hash chain ordered by id; genesis prev_hash is 32 zero bytes; '
    'hash = sha256(prev_hash || convert_to(jsonb_build_array(id, to_char(at AT TIME ZONE ''UTC'', '
    '''YYYY-MM-DD"T"HH24:MI:SS.US"Z"''), actor, action, entity, detail)::text, ''UTF8''))';

CREATE FUNCTION clinic.current_tenant() RETURNS integer LANGUAGE sql STABLE
    RETURN nullif(current_setting('app.tenant', true), '')::integer;

CREATE FUNCTION clinic.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION clinic.touch() IS 'when a row was last changed';

CREATE FUNCTION audit.record_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO audit.event (at, actor, action, entity, detail)
    VALUES (clock_timestamp(), session_user, lower(TG_OP), TG_TABLE_NAME || '/' || coalesce(NEW.id, OLD.id),
            jsonb_build_object('tenant', coalesce(NEW.tenant_id, OLD.tenant_id)));
    RETURN NULL;
END
$$;

CREATE FUNCTION audit.forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;

CREATE FUNCTION billing.outstanding(patient bigint, OUT amount numeric, OUT invoices integer)
    LANGUAGE sql STABLE STRICT AS $$
    SELECT coalesce(sum(total), 0), count(*)::integer FROM billing.invoice WHERE patient_id = patient AND NOT paid
$$;

CREATE PROCEDURE billing.settle(wanted bigint) LANGUAGE sql AS $$
    UPDATE billing.invoice SET paid = true WHERE number = wanted
$$;

CREATE TRIGGER touch BEFORE UPDATE ON clinic.patient FOR EACH ROW EXECUTE FUNCTION clinic.touch();
CREATE TRIGGER touch BEFORE UPDATE ON clinic.appointment FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.starts_at IS DISTINCT FROM NEW.starts_at) EXECUTE FUNCTION clinic.touch();
CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON clinic.appointment
    FOR EACH ROW EXECUTE FUNCTION audit.record_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event
    FOR EACH STATEMENT EXECUTE FUNCTION audit.forbid_change();

CREATE VIEW billing.revenue_by_month WITH (security_barrier) AS
    SELECT date_trunc('month', paid_at AT TIME ZONE 'UTC')::date AS month, currency, sum(amount) AS revenue,
           count(*) AS payments
    FROM billing.payment GROUP BY 1, 2;
CREATE VIEW clinic.open_appointment AS
    SELECT id, patient_id, starts_at, status FROM clinic.appointment WHERE status IN ('requested', 'confirmed')
    WITH LOCAL CHECK OPTION;
CREATE MATERIALIZED VIEW clinic.provider_load AS
    SELECT provider_id, count(*) AS appointments, sum(duration) AS busy FROM clinic.appointment GROUP BY provider_id;
CREATE UNIQUE INDEX provider_load_key ON clinic.provider_load (provider_id);
COMMENT ON VIEW billing.revenue_by_month IS 'in UTC months';

-- A tenant sees its own rows. FORCE holds for the owner too; auditors see everything.
ALTER TABLE clinic.patient ENABLE ROW LEVEL SECURITY;
ALTER TABLE clinic.patient FORCE ROW LEVEL SECURITY;
ALTER TABLE clinic.appointment ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON clinic.patient
    USING (tenant_id = clinic.current_tenant()) WITH CHECK (tenant_id = clinic.current_tenant());
CREATE POLICY tenant_only ON clinic.appointment TO healthfinance_app
    USING (tenant_id = clinic.current_tenant()) WITH CHECK (tenant_id = clinic.current_tenant());
CREATE POLICY auditors_read ON clinic.appointment FOR SELECT TO healthfinance_auditor USING (true);
CREATE POLICY no_history_rewritten ON clinic.appointment AS RESTRICTIVE FOR DELETE TO healthfinance_app
    USING (status <> 'attended');

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA clinic, billing TO healthfinance_app, healthfinance_readonly;
GRANT USAGE ON SCHEMA audit TO healthfinance_app, healthfinance_auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON clinic.appointment TO healthfinance_app;
GRANT SELECT, INSERT, UPDATE (name, email, home, profile, tags) ON clinic.patient TO healthfinance_app;
GRANT SELECT ON clinic.tenant, clinic.provider, billing.invoice TO healthfinance_app;
GRANT SELECT (id, at, hash) ON audit.event TO healthfinance_app;
GRANT SELECT ON audit.event TO healthfinance_auditor WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE billing.invoice_number TO healthfinance_app;
GRANT EXECUTE ON FUNCTION clinic.current_tenant() TO PUBLIC;
GRANT EXECUTE ON FUNCTION billing.outstanding(bigint) TO healthfinance_app;
GRANT USAGE ON TYPE clinic.appointment_status TO healthfinance_app;

DO $documents$
DECLARE
    object oid;
BEGIN
    FOR object IN SELECT content FROM clinic.document LOOP
        EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO healthfinance_app', object);
        EXECUTE format('COMMENT ON LARGE OBJECT %s IS %L', object, 'a scanned form');
    END LOOP;
END
$documents$;

RESET ROLE;
