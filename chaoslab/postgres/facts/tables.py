"""Tables and what hangs on them: columns, constraints, indexes, row-level security."""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from chaoslab.postgres.facts.kind import USERS_OWN, Kind, made_by_hand

_BY_HAND = made_by_hand("pg_class", "c.oid")
_OF_TABLE = f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USERS_OWN} AND {_BY_HAND}"
_OPTIONS = "(SELECT array_agg(o ORDER BY o) FROM unnest(c.reloptions) o)"

SCHEMAS = Kind(
    "schemas",
    f"""
    SELECT format('%I', n.nspname), '{{}}'::jsonb, age(n.xmin) FROM pg_namespace n
    WHERE {USERS_OWN} AND {made_by_hand("pg_namespace", "n.oid")}
    """,
)

TABLES = Kind(
    "tables",
    f"""
    SELECT format('%I.%I', n.nspname, c.relname),
        jsonb_build_object(
            'kind', CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
                                   ELSE 'foreign table' END,
            'persistence', CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'permanent' END,
            'partition_key', pg_get_partkeydef(c.oid),
            'partition_bound', pg_get_expr(c.relpartbound, c.oid),
            'parents', (SELECT array_agg(i.inhparent::regclass::text ORDER BY i.inhseqno)
                        FROM pg_inherits i WHERE i.inhrelid = c.oid),
            'replica_identity', c.relreplident,
            'of_type', nullif(c.reloftype, 0)::regtype::text,
            'tablespace', (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
            'toast_options', (SELECT array_agg(o ORDER BY o) FROM pg_class toast, unnest(toast.reloptions) o
                              WHERE toast.oid = c.reltoastrelid),
            'access_method', (SELECT amname FROM pg_am WHERE oid = c.relam),
            'foreign', (SELECT jsonb_build_array(s.srvname, md5((
                                SELECT array_agg(x ORDER BY x) FROM unnest(f.ftoptions) x)::text))
                        FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
                        WHERE f.ftrelid = c.oid),
            'options', {_OPTIONS}),
        age(c.xmin)
    {_OF_TABLE} AND c.relkind IN ('r', 'p', 'f')
    """,
)

COLUMNS = Kind(
    "columns",
    f"""
    SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname),
        jsonb_build_object(
            'type', format_type(a.atttypid, a.atttypmod),
            'position', CASE WHEN c.relispartition OR NOT EXISTS (
                                 SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
                             THEN (SELECT count(*) FROM pg_attribute before WHERE before.attrelid = c.oid
                                   AND before.attnum BETWEEN 1 AND a.attnum AND NOT before.attisdropped) END,
            'not_null', a.attnotnull,
            'default', pg_get_expr(d.adbin, d.adrelid),
            'identity', a.attidentity,
            'generated', a.attgenerated,
            'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
            'storage', a.attstorage,
            'compression', nullif(to_jsonb(a) ->> 'attcompression', ''),
            'statistics_target', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
            'options', (SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) o),
            'foreign_options', md5((SELECT array_agg(o ORDER BY o) FROM unnest(a.attfdwoptions) o)::text)),
        least(age(a.xmin), age(d.xmin))
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE {USERS_OWN} AND {_BY_HAND}
        AND c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
    """,
)

CONSTRAINTS = Kind(
    "constraints",
    # Left out: NOT NULL (a column says it), constraint triggers (triggers), and the foreign keys that a server
    # makes on partitions by itself, whose names it chooses anew.
    f"""
    SELECT format('%s.%I', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text), k.conname),
        jsonb_build_object('definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
                           'type', k.contype,
                           'unenforced', CASE WHEN EXISTS (
                               SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgisinternal
                               AND g.tgenabled IN ('D', 'R')) THEN true END),
        age(k.xmin)
    FROM pg_constraint k
    JOIN pg_namespace n ON n.oid = k.connamespace
    LEFT JOIN pg_class c ON c.oid = k.conrelid
    WHERE {USERS_OWN} AND (c.oid IS NULL OR {_BY_HAND})
        AND {made_by_hand("pg_type", "k.contypid")}
        AND k.contype IN ('c', 'f', 'p', 'u', 'x')
        AND NOT (k.contype = 'f' AND k.conparentid <> 0)
    """,
)

INDEXES = Kind(
    "indexes",
    f"""
    SELECT format('%I.%I', n.nspname, c.relname),
        jsonb_build_object('table', x.indrelid::regclass::text, 'definition', pg_get_indexdef(x.indexrelid),
                           'valid', x.indisvalid, 'clustered', x.indisclustered,
                           'replica_identity', x.indisreplident,
                           'part_of', (SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid),
                           'tablespace', (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
                           'statistics_targets', (
                               SELECT jsonb_object_agg(a.attnum, a.attstattarget) FROM pg_attribute a
                               WHERE a.attrelid = c.oid AND a.attstattarget >= 0)),
        age(x.xmin)
    FROM pg_index x
    JOIN pg_class c ON c.oid = x.indexrelid
    JOIN pg_class r ON r.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_class", "r.oid")} AND r.relkind IN ('r', 'p', 'm', 'f')
    """,
)

ROW_SECURITY = Kind(
    "row_security",
    f"""
    SELECT format('%I.%I', n.nspname, c.relname),
        jsonb_build_object('enabled', c.relrowsecurity, 'forced', c.relforcerowsecurity), age(c.xmin)
    {_OF_TABLE} AND c.relkind IN ('r', 'p') AND (c.relrowsecurity OR c.relforcerowsecurity)
    """,
)

KINDS = (SCHEMAS, TABLES, COLUMNS, CONSTRAINTS, INDEXES, ROW_SECURITY)
