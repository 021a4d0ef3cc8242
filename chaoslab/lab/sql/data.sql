-- The data, made by the server itself. The same seed and counts make the same rows: no now(), no random uuid.
-- Counts come as settings: chaoslab.seed, chaoslab.patients.
SET ROLE healthfinance_owner;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT setseed(current_setting('chaoslab.seed')::float8);

INSERT INTO clinic.tenant (name)
SELECT 'Clinic ' || chr(64 + i) FROM generate_series(1, 4) AS i;

INSERT INTO clinic.provider (tenant_id, name, specialty, rating, licences, office)
SELECT 1 + (i - 1) % 4, 'Dr. ' || initcap(left(md5(random()::text), 8)),
       (ARRAY['general', 'cardiology', 'oncology', 'paediatrics'])[1 + floor(random() * 4)::int],
       CASE WHEN i % 10 = 0 THEN NULL ELSE round((1 + 4 * random())::numeric, 2)::float8 END,
       ARRAY['L-' || i, 'B-' || (i * 7)], ('10.1.' || i % 250 || '.1')::inet
FROM generate_series(1, 40) AS i;

INSERT INTO clinic.patient (tenant_id, national_number, name, email, home, born, weight_kg, balance, profile, tags,
                            photo, token, created_at, updated_at)
SELECT 1 + (i - 1) % 4,
       lpad(i::text, 11, '0'),
       initcap(left(md5(random()::text), 6)) || ' ' || initcap(left(md5(random()::text), 9)),
       CASE WHEN i % 7 = 0 THEN NULL ELSE 'Patient.' || i || '@example.org' END,
       CASE WHEN i % 5 = 0 THEN NULL
            ELSE ROW('Street ' || i % 300, lpad((i % 90000)::text, 5, '0'), 'Zürich “' || i % 9 || '”')::clinic.address END,
       date '1930-01-01' + (random() * 32000)::int,
       CASE WHEN i % 11 = 0 THEN NULL ELSE (40 + 80 * random())::real END,
       CASE WHEN i % 97 = 0 THEN 'NaN'::numeric WHEN i % 13 = 0 THEN NULL ELSE round((random() * 2000 - 500)::numeric, 4) END,
       jsonb_build_object('insurer', 'I' || i % 17, 'consents', jsonb_build_array(i % 2 = 0, NULL, random())),
       CASE WHEN i % 3 = 0 THEN NULL ELSE ARRAY['vip', NULL, 'needs, quotes "here"', ''] END,
       CASE WHEN i % 4 = 0 THEN decode(md5(random()::text) || md5(random()::text) || md5(random()::text), 'hex') END,
       md5('patient ' || i)::uuid,
       timestamptz '2024-01-01 00:00:00+00' + random() * interval '700 days',
       timestamptz '2026-01-01 00:00:00+00'
FROM generate_series(1, current_setting('chaoslab.patients')::int) AS i;

INSERT INTO clinic.appointment (tenant_id, patient_id, provider_id, starts_at, ends_at, status, fee, notes, reminder)
SELECT 1 + (i - 1) % 4,
       -- the same tenant's patient and provider
       1 + (i - 1) % 4 + 4 * floor(random() * (current_setting('chaoslab.patients')::int / 4))::int,
       1 + (i - 1) % 4 + 4 * floor(random() * 10)::int,
       at, at + interval '1 minute' * (10 + floor(random() * 50)),
       (enum_range(NULL::clinic.appointment_status))[1 + floor(random() * 5)::int],
       round((20 + random() * 400)::numeric, 2),
       CASE WHEN i % 6 = 0 THEN NULL ELSE 'Note ' || md5(random()::text) || E'\n\twith a tab, a ''quote'' and a \\ ' || i END,
       CASE WHEN i % 2 = 0 THEN interval '1 day 2 hours' * random() END
FROM (SELECT i, timestamptz '2025-01-01 06:00:00+00' + random() * interval '600 days' AS at
      FROM generate_series(1, current_setting('chaoslab.patients')::int * 4) AS i) AS slots;

INSERT INTO clinic.measurement (patient_id, taken_at, value, exact, raw, place)
SELECT 1 + floor(random() * current_setting('chaoslab.patients')::int)::int,
       CASE WHEN i % 499 = 0 THEN 'infinity' ELSE timestamptz '2025-01-01 00:00:00+00' + random() * interval '600 days' END,
       CASE i % 101 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-0' WHEN 3 THEN NULL ELSE random() * 200 END,
       CASE i % 103 WHEN 0 THEN 'NaN' WHEN 1 THEN 0.10 WHEN 2 THEN 0.1 WHEN 3 THEN NULL ELSE round(random()::numeric, i % 12) END,
       CASE WHEN i % 3 = 0 THEN ('{"b": 1,  "a": ' || i || ', "a": null}')::json END,
       CASE WHEN i % 5 = 0 THEN point(random(), random()) END
FROM generate_series(1, current_setting('chaoslab.patients')::int * 4) AS i;

INSERT INTO clinic.import_line
SELECT 'line ' || i % 50, date '2025-06-01' + i % 3
FROM generate_series(1, current_setting('chaoslab.patients')::int / 4) AS i;

INSERT INTO clinic."Odd ""Name""" SELECT i, 'value ' || i, i % 2 = 0 FROM generate_series(1, 20) AS i;

INSERT INTO clinic.document (patient_id, title, content)
SELECT i, 'consent form ' || i,
       lo_from_bytea(900000 + i, decode(string_agg(md5('document ' || i || ' ' || part), ''), 'hex'))
FROM generate_series(1, 12) AS i, generate_series(1, 300) AS part GROUP BY i ORDER BY i;

INSERT INTO billing.invoice (patient_id, issued_on, total, paid, bracket)
SELECT 1 + floor(random() * current_setting('chaoslab.patients')::int)::int, date '2025-01-01' + i % 365,
       round((random() * 900)::numeric, 2), i % 3 <> 0,
       CASE WHEN i % 4 = 0 THEN NULL ELSE billing.span((i % 10)::numeric, (10 + i % 20)::numeric, '[)') END
FROM generate_series(1, current_setting('chaoslab.patients')::int * 2) AS i;

INSERT INTO billing.payment (id, invoice_number, paid_at, amount, currency, details)
SELECT i, 100007 + 7 * (i - 1), timestamptz '2025-01-03 00:00:00+00' + random() * interval '700 days',
       round((random() * 900)::numeric, 2), (ARRAY['EUR', 'CHF', 'USD'])[1 + i % 3],
       jsonb_build_object('method', (ARRAY['card', 'transfer', 'cash'])[1 + i % 3], 'reference', md5(random()::text))
FROM generate_series(1, current_setting('chaoslab.patients')::int * 2) AS i;

INSERT INTO audit.event (at, actor, action, entity, detail)
SELECT timestamptz '2025-12-01 00:00:00+00' + i * interval '1 second 1 microsecond', 'user-' || i % 23,
       (ARRAY['read', 'create', 'update', 'export'])[1 + i % 4], 'patient/' || (1 + i % 400),
       jsonb_build_object('ip', '10.0.0.' || i % 250, 'reason', 'überprüft “' || i || '”')
FROM generate_series(1, greatest(100, current_setting('chaoslab.patients')::int / 2)) AS i;

RESET ROLE;
