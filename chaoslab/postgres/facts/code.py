"""What computes: views, functions, triggers, rules; and the types they use."""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from chaoslab.postgres.facts.kind import USERS_OWN, Kind, made_by_hand

VIEWS = Kind(
    "views",
    f"""
    SELECT format('%I.%I', n.nspname, c.relname),
        jsonb_build_object(
            'kind', CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END,
            'definition', pg_get_viewdef(c.oid),
            'populated', c.relispopulated,
            'tablespace', (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
            'access_method', (SELECT amname FROM pg_am WHERE oid = c.relam),
            'column_options', (
                SELECT jsonb_object_agg(a.attname, jsonb_build_array(
                    CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END, a.attoptions,
                    nullif(a.attstorage, t.typstorage), pg_get_expr(d.adbin, d.adrelid)))
                FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND (a.attstattarget >= 0 OR a.attoptions IS NOT NULL OR d.oid IS NOT NULL
                         OR c.relkind = 'm' AND a.attstorage <> t.typstorage)),
            'options', (SELECT array_agg(o ORDER BY o) FROM unnest(c.reloptions) o)),
        least(age(c.xmin), (SELECT min(age(r.xmin)) FROM pg_rewrite r WHERE r.ev_class = c.oid))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")} AND c.relkind IN ('v', 'm')
    """,
)

FUNCTIONS = Kind(
    "functions",
    f"""
    SELECT p.oid::regprocedure::text,
        CASE WHEN p.prokind = 'a'
             THEN jsonb_build_object('definition', (
                    SELECT to_jsonb(g) - 'aggfnoid' || jsonb_build_object(
                        'aggtranstype', g.aggtranstype::regtype::text, 'aggsortop', g.aggsortop::regoper::text,
                        'aggmtranstype', g.aggmtranstype::regtype::text)
                    FROM pg_aggregate g WHERE g.aggfnoid = p.oid),
                    'signature', pg_get_function_arguments(p.oid), 'parallel', p.proparallel)
             ELSE jsonb_build_object('definition', pg_get_functiondef(p.oid)) END,
        age(p.xmin)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_proc", "p.oid")}
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                        AND d.objid = p.oid AND d.deptype = 'i')
    """,
)

TRIGGERS = Kind(
    "triggers",
    f"""
    SELECT format('%I.%I.%I', n.nspname, c.relname, t.tgname),
        jsonb_build_object('definition', pg_get_triggerdef(t.oid),
            'enabled', CASE t.tgenabled WHEN 'O' THEN 'yes' WHEN 'D' THEN 'no'
                                        WHEN 'R' THEN 'on replicas' ELSE 'always' END),
        age(t.xmin)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")} AND NOT t.tgisinternal
    """,
)

EVENT_TRIGGERS = Kind(
    "event_triggers",
    f"""
    SELECT format('%I', e.evtname),
        jsonb_build_object('event', e.evtevent, 'tags', e.evttags, 'function', e.evtfoid::regproc::text,
                           'enabled', e.evtenabled),
        age(e.xmin)
    FROM pg_event_trigger e WHERE {made_by_hand("pg_event_trigger", "e.oid")}
    """,
)

RULES = Kind(
    "rules",
    f"""
    SELECT format('%I.%I.%I', n.nspname, c.relname, r.rulename),
        jsonb_build_object('definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled), age(r.xmin)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")} AND r.rulename <> '_RETURN'
    """,
)

TYPES = Kind(
    "types",
    f"""
    SELECT format('%I.%I', n.nspname, t.typname),
        CASE t.typtype
        WHEN 'e' THEN jsonb_build_object('kind', 'enum', 'labels', (
            SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
        WHEN 'd' THEN jsonb_build_object('kind', 'domain', 'base', format_type(t.typbasetype, t.typtypmod),
            'not_null', t.typnotnull, 'default', t.typdefault, 'collation', t.typcollation::regcollation::text)
        WHEN 'c' THEN jsonb_build_object('kind', 'composite', 'attributes', (
            SELECT jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod),
                                               a.attcollation::regcollation::text) ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
        WHEN 'r' THEN jsonb_build_object('kind', 'range', 'subtype', (
            SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), nullif(r.rngcanonical, 0)::regproc,
                             nullif(r.rngsubdiff, 0)::regproc) FROM pg_range r WHERE r.rngtypid = t.oid),
            'rules', (
            SELECT jsonb_build_array(o.opcname, nullif(r.rngcollation, 0)::regcollation::text, (
                       SELECT format('%I', m.typname) FROM pg_type m
                       WHERE m.oid = (to_jsonb(r) ->> 'rngmultitypid')::oid))
            FROM pg_range r JOIN pg_opclass o ON o.oid = r.rngsubopc WHERE r.rngtypid = t.oid))
        ELSE jsonb_build_object('kind', 'base', 'functions', jsonb_build_array(
            t.typinput::regproc::text, t.typoutput::regproc::text, t.typlen, t.typbyval, t.typalign, t.typstorage,
            t.typcategory, t.typispreferred, t.typdelim, t.typdefault)) END,
        least(age(t.xmin), (SELECT min(age(e.xmin)) FROM pg_enum e WHERE e.enumtypid = t.oid))
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE {USERS_OWN} AND {made_by_hand("pg_type", "t.oid")}
        AND t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typtype <> 'c' OR c.relkind = 'c')
        AND NOT EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)
    """,
)

KINDS = (VIEWS, FUNCTIONS, TRIGGERS, EVENT_TRIGGERS, RULES, TYPES)
