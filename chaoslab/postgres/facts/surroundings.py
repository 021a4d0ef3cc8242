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
            'generated_columns', nullif(to_jsonb(p) ->> 'pubgencols', 'n'),
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
    WHERE (d.objoid >= 16384 OR i.identity = 'public') AND i.identity IS NOT NULL AND coalesce(i.schema, '') !~ '^pg_'
        AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid
                        AND e.deptype = 'e')
        AND d.classoid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
    UNION ALL
    SELECT CASE i.identity WHEN format('%I', current_database()) THEN 'database itself'
                           ELSE i.type || ' ' || i.identity END,
        jsonb_build_object('md5', md5(d.description)), age(d.xmin)
    FROM pg_shdescription d, pg_identify_object(d.classoid, d.objoid, 0) i
    WHERE i.identity IS NOT NULL
        AND CASE i.type WHEN 'database' THEN i.identity = format('%I', current_database()) ELSE d.objoid >= 16384 END
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
    "pg_conversion": """
        SELECT concat_ws(' ', pg_encoding_to_char(conforencoding), pg_encoding_to_char(contoencoding),
            conproc::regproc, condefault) FROM pg_conversion""",
    "pg_foreign_data_wrapper": f"""
        SELECT concat_ws(' ', fdwhandler::regproc, fdwvalidator::regproc, {_OPTIONS.format("fdwoptions")})
        FROM pg_foreign_data_wrapper""",
    "pg_foreign_server": f"""
        SELECT concat_ws(' ', srvtype, srvversion, {_OPTIONS.format("srvoptions")}) FROM pg_foreign_server""",
    "pg_language": """
        SELECT concat_ws(' ', lanpltrusted, nullif(lanplcallfoid, 0)::regproc, nullif(laninline, 0)::regproc,
            nullif(lanvalidator, 0)::regproc) FROM pg_language""",
    "pg_opclass": """
        SELECT concat_ws(' ', m.amname, opcintype::regtype, opcdefault, nullif(opckeytype, 0)::regtype, f.opfname)
        FROM (SELECT * FROM pg_opclass WHERE oid = o.oid) c JOIN pg_am m ON m.oid = opcmethod
        JOIN pg_opfamily f ON f.oid = opcfamily""",
    "pg_opfamily": """
        SELECT concat_ws('; ', (
            SELECT string_agg(concat_ws(' ', a.amopstrategy, a.amopopr::regoperator, a.amoppurpose,
                       nullif(a.amopsortfamily, 0)), ', ' ORDER BY a.amopstrategy, a.amopopr::regoperator::text)
            FROM pg_amop a WHERE a.amopfamily = f.oid), (
            SELECT string_agg(concat_ws(' ', p.amprocnum, p.amproclefttype::regtype, p.amprocrighttype::regtype,
                       p.amproc::regprocedure), ', ' ORDER BY p.amprocnum, p.amproc::regprocedure::text)
            FROM pg_amproc p WHERE p.amprocfamily = f.oid)) FROM pg_opfamily f""",
    "pg_operator": """
        SELECT concat_ws(' ', oprcode::regproc, oprcom::regoperator, oprnegate::regoperator, oprrest::regproc,
            oprjoin::regproc, oprcanmerge, oprcanhash) FROM pg_operator""",
    "pg_statistic_ext": """
        SELECT concat_ws(' ', pg_get_statisticsobjdef(oid), 'target', nullif(to_jsonb(s) ->> 'stxstattarget', '-1'))
        FROM pg_statistic_ext s""",
    "pg_transform": """
        SELECT concat_ws(' ', nullif(trffromsql, 0)::regprocedure, nullif(trftosql, 0)::regprocedure)
        FROM pg_transform""",
    "pg_ts_config": """
        SELECT (
            SELECT prsname || ': ' FROM pg_ts_parser p WHERE p.oid = c.cfgparser) || (
            SELECT string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary, ', '
                                  ORDER BY m.maptokentype, m.mapseqno)
                FROM pg_ts_config_map m WHERE m.mapcfg = c.oid) FROM pg_ts_config c""",
    "pg_ts_dict": """
        SELECT concat_ws(' ', (SELECT tmplname FROM pg_ts_template t WHERE t.oid = d.dicttemplate), dictinitoption)
        FROM pg_ts_dict d""",
    "pg_ts_parser": """
        SELECT concat_ws(' ', prsstart::regproc, prstoken::regproc, prsend::regproc, prsheadline::regproc,
            prslextype::regproc) FROM pg_ts_parser""",
    "pg_ts_template": """
        SELECT concat_ws(' ', tmplinit::regproc, tmpllexize::regproc) FROM pg_ts_template""",
}
"""What the rarer objects are made of, where that is more than their identity."""


def _of_one(query: str) -> str:
    return query if "o.oid" in query else f"{query.rstrip()} WHERE oid = o.oid"


_DEFINITION = " ".join(
    f"WHEN 'pg_catalog.{name}'::pg_catalog.regclass THEN ({_of_one(query)})" for name, query in _DEFINITIONS.items()
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
    SELECT format('user mapping for %I on server %I', u.usename, u.srvname),
        jsonb_build_object('options', CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper)
            THEN coalesce((SELECT md5(array_agg(x ORDER BY x)::text) FROM unnest(u.umoptions) x
                           WHERE x !~* '^[^=]*(password|passphrase|secret|token)'), 'none') END),
        NULL::integer
    FROM pg_user_mappings u
    """,
)

PUBLISHED_SCHEMAS = Kind(
    "published_schemas",
    """
    SELECT format('%I in %I', n.nspname, p.pubname), '{}'::jsonb, age(s.xmin)
    FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid JOIN pg_namespace n ON n.oid = s.pnnspid
    """,
    since=15,
)

KINDS = (SETTINGS, EXTENSIONS, PUBLICATIONS, PUBLISHED_SCHEMAS, SEQUENCE_RULES, COMMENTS, OBJECTS)
