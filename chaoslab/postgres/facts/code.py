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
                    FROM pg_aggregate g WHERE g.aggfnoid = p.oid))
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
                             nullif(r.rngsubdiff, 0)::regproc) FROM pg_range r WHERE r.rngtypid = t.oid))
        ELSE jsonb_build_object('kind', 'base') END,
        least(age(t.xmin), (SELECT min(age(e.xmin)) FROM pg_enum e WHERE e.enumtypid = t.oid))
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE {USERS_OWN} AND {made_by_hand("pg_type", "t.oid")}
        AND t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typtype <> 'c' OR c.relkind = 'c')
        AND NOT EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)
    """,
)

KINDS = (VIEWS, FUNCTIONS, TRIGGERS, EVENT_TRIGGERS, RULES, TYPES)
