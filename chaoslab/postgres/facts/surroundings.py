"""What else makes a database: settings, extensions, publications, comments, rarer objects, sequences' rules."""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from chaoslab.postgres.facts.kind import ROLE_NAMES, USERS_OWN, Kind, made_by_hand

# A setting with a dot is an application's own, and people keep secrets in those: a digest tells them apart.
SETTINGS = Kind(
    "settings",
    f"""
    WITH {ROLE_NAMES}, entry AS (
        SELECT s.*, split_part(pair, '=', 1) AS name, substr(pair, strpos(pair, '=') + 1) AS value, age(s.xmin) AS age
        FROM pg_db_role_setting s, unnest(s.setconfig) pair
        WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    )
    SELECT CASE WHEN entry.setrole = 0 THEN 'of the database: ' || entry.name
                WHEN entry.setdatabase = 0 THEN format('of role %I: %s', role_name.name, entry.name)
                ELSE format('of role %I in the database: %s', role_name.name, entry.name) END,
        jsonb_build_object('value', CASE WHEN strpos(entry.name, '.') > 0 THEN 'md5 ' || md5(entry.value)
                                         ELSE entry.value END),
        entry.age
    FROM entry LEFT JOIN role_name ON role_name.oid = entry.setrole
    WHERE NOT (entry.setrole = 0 AND entry.setdatabase = 0)
    """,
)

EXTENSIONS = Kind(
    "extensions",
    """
    SELECT format('%I', e.extname), jsonb_build_object('version', e.extversion, 'schema', n.nspname), age(e.xmin)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    """,
)

PUBLICATIONS = Kind(
    "publications",
    """
    SELECT format('%I', p.pubname),
        jsonb_build_object('all_tables', p.puballtables, 'insert', p.pubinsert, 'update', p.pubupdate,
            'delete', p.pubdelete, 'truncate', p.pubtruncate,
            'via_root', CASE WHEN to_jsonb(p) ->> 'pubviaroot' = 'true' THEN true END,
            'tables', (SELECT array_agg(r.prrelid::regclass::text ORDER BY r.prrelid::regclass::text)
                       FROM pg_publication_rel r WHERE r.prpubid = p.oid),
            'columns', (SELECT jsonb_object_agg(r.prrelid::regclass::text, (
                            SELECT array_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
                            WHERE a.attrelid = r.prrelid
                                AND to_jsonb(r) -> 'prattrs' @> to_jsonb(a.attnum)))
                        FROM pg_publication_rel r WHERE r.prpubid = p.oid AND to_jsonb(r) ->> 'prattrs' IS NOT NULL),
            'filters', (SELECT jsonb_object_agg(format('%I.%I', t.schemaname, t.tablename), to_jsonb(t) ->> 'rowfilter')
                        FROM pg_publication_tables t
                        WHERE t.pubname = p.pubname AND to_jsonb(t) ->> 'rowfilter' IS NOT NULL)),
        least(age(p.xmin), (SELECT min(age(r.xmin)) FROM pg_publication_rel r WHERE r.prpubid = p.oid))
    FROM pg_publication p
    """,
)

SEQUENCE_RULES = Kind(
    "sequence_rules",
    f"""
    SELECT format('%I.%I', n.nspname, c.relname),
        jsonb_build_object('type', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement,
            'min', s.seqmin, 'max', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
            'owned_by', (SELECT jsonb_build_array(d.refobjid::regclass::text, format('%I', a.attname)) FROM pg_depend d
                         JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                             AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0)),
        least(age(s.xmin), age(c.xmin))
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")}
    """,
)

COMMENTS = Kind(
    "comments",
    """
    SELECT i.type || ' ' || i.identity, jsonb_build_object('md5', md5(d.description)), age(d.xmin)
    FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    WHERE d.objoid >= 16384 AND i.identity IS NOT NULL AND coalesce(i.schema, '') !~ '^pg_'
        AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid
                        AND e.deptype = 'e')
        AND d.classoid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
    """,
)

_OPTIONS = "md5((SELECT array_agg(x ORDER BY x) FROM unnest({}) x)::text)"
"""Options as a digest: people keep passwords in those."""
_DEFINITIONS = {
    "pg_cast": "SELECT concat_ws(' ', castcontext, castmethod, castfunc::regprocedure) FROM pg_cast",
    "pg_collation": """
        SELECT concat_ws(' ', to_jsonb(c) ->> 'collprovider',
            coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', collcollate),
            CASE WHEN to_jsonb(c) ->> 'collprovider' = 'c' THEN collctype END,
            to_jsonb(c) ->> 'collisdeterministic') FROM pg_collation c""",
    "pg_foreign_data_wrapper": f"""
        SELECT concat_ws(' ', fdwhandler::regproc, fdwvalidator::regproc, {_OPTIONS.format("fdwoptions")})
        FROM pg_foreign_data_wrapper""",
    "pg_foreign_server": f"""
        SELECT concat_ws(' ', srvtype, srvversion, {_OPTIONS.format("srvoptions")}) FROM pg_foreign_server""",
    "pg_operator": """
        SELECT concat_ws(' ', oprcode::regproc, oprcom::regoperator, oprnegate::regoperator, oprrest::regproc,
            oprjoin::regproc, oprcanmerge, oprcanhash) FROM pg_operator""",
    "pg_statistic_ext": "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "pg_ts_config": """
        SELECT (SELECT string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary, ', '
                                  ORDER BY m.maptokentype, m.mapseqno)
                FROM pg_ts_config_map m WHERE m.mapcfg = c.oid) FROM pg_ts_config c""",
    "pg_ts_dict": "SELECT dictinitoption FROM pg_ts_dict",
}
"""What the rarer objects are made of, where that is more than their identity."""
_DEFINITION = " ".join(
    f"WHEN 'pg_catalog.{name}'::pg_catalog.regclass THEN ({query.rstrip()} WHERE oid = o.oid)"
    for name, query in _DEFINITIONS.items()
)

_RARE_CATALOGS = (
    "pg_cast",
    "pg_collation",
    "pg_conversion",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_statistic_ext",
    "pg_transform",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
)
_RARE = " UNION ALL ".join(
    f"SELECT 'pg_catalog.{name}'::pg_catalog.regclass AS catalog, oid, xmin FROM pg_catalog.{name}"
    for name in _RARE_CATALOGS
)

OBJECTS = Kind(
    "objects",
    f"""
    SELECT i.type || ' ' || i.identity, jsonb_build_object('definition', CASE o.catalog {_DEFINITION} END),
        age(o.xmin)
    FROM ({_RARE}) o, pg_identify_object(o.catalog, o.oid, 0) i
    WHERE o.oid >= 16384
        AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.catalog AND e.objid = o.oid
                        AND e.deptype = 'e')
    UNION ALL
    SELECT format('user mapping for %I on server %I', u.usename, u.srvname), '{{}}'::jsonb, NULL::integer
    FROM pg_user_mappings u
    """,
)

KINDS = (SETTINGS, EXTENSIONS, PUBLICATIONS, SEQUENCE_RULES, COMMENTS, OBJECTS)
