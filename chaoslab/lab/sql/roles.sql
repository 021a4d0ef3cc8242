-- Roles belong to the server, not to a database: made once, harmless when they are there.
DO $roles$
DECLARE
    wanted text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('chaoslab roles'));
    FOREACH wanted IN ARRAY ARRAY['owner', 'readonly', 'auditor', 'app', 'report'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'healthfinance_' || wanted) THEN
            EXECUTE format('CREATE ROLE %I', 'healthfinance_' || wanted);
        END IF;
    END LOOP;
    ALTER ROLE healthfinance_app LOGIN CONNECTION LIMIT 60;
    ALTER ROLE healthfinance_app SET statement_timeout = '5s';
    ALTER ROLE healthfinance_app SET search_path = clinic, billing, public;
    ALTER ROLE healthfinance_report LOGIN NOINHERIT VALID UNTIL '2099-12-31 00:00:00+00';
    GRANT healthfinance_readonly TO healthfinance_auditor;
    GRANT healthfinance_readonly TO healthfinance_report WITH ADMIN OPTION;
    COMMENT ON ROLE healthfinance_app IS 'the service''s own';
END
$roles$;
