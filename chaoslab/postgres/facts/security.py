"""Who may do what: policies, roles, memberships, owners, grants."""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from chaoslab.postgres.facts.kind import ROLE_NAMES, USERS_OWN, Kind, made_by_hand

POLICIES = Kind(
    "policies",
    f"""
    WITH {ROLE_NAMES}
    SELECT format('%I.%I.%I', n.nspname, c.relname, p.polname),
        jsonb_build_object(
            'permissive', p.polpermissive,
            'command', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
                                     WHEN 'd' THEN 'delete' ELSE 'all' END,
            'roles', (SELECT array_agg(coalesce(r.name, 'public') ORDER BY coalesce(r.name, 'public'))
                      FROM unnest(p.polroles) u LEFT JOIN role_name r ON r.oid = u),
            'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(p.polwithcheck, p.polrelid)),
        age(p.xmin)
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")}
    """,
)

# `used`: something in this database is owned by the role, granted to it, or names it.
_ROLES = f"""
    WITH {ROLE_NAMES}
    SELECT format('%I', r.rolname),
        jsonb_build_object(
            'superuser', r.rolsuper, 'inherit', r.rolinherit, 'createrole', r.rolcreaterole,
            'createdb', r.rolcreatedb, 'login', r.rolcanlogin, 'replication', r.rolreplication,
            'bypassrls', r.rolbypassrls, 'connection_limit', r.rolconnlimit, 'valid_until', r.rolvaliduntil,
            'used', EXISTS (
                SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
                AND s.refobjid = r.oid
                AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))),
        AGE
    FROM pg_roles r JOIN role_name ON role_name.oid = r.oid
    WHERE r.rolname !~ '^pg_' AND r.rolname = role_name.name
"""

ROLES = Kind(
    "roles",
    _ROLES.replace("AGE", "NULL::integer"),
    _ROLES.replace("AGE", "(SELECT age(a.xmin) FROM pg_authid a WHERE a.oid = r.oid)"),
)

MEMBERSHIPS = Kind(
    "memberships",
    f"""
    WITH {ROLE_NAMES}
    SELECT format('%I in %I', member.name, parent.name),
        jsonb_build_object('admin', bool_or(m.admin_option),
                           'inherit', bool_or((to_jsonb(m) ->> 'inherit_option')::boolean),
                           'set', bool_or((to_jsonb(m) ->> 'set_option')::boolean)),
        min(age(m.xmin))
    FROM pg_auth_members m
    JOIN role_name member ON member.oid = m.member JOIN role_name parent ON parent.oid = m.roleid
    WHERE member.name !~ '^pg_'
    GROUP BY 1
    """,
)

_OWNERS_OF = {
    "pg_collation": "collowner",
    "pg_conversion": "conowner",
    "pg_event_trigger": "evtowner",
    "pg_language": "lanowner",
    "pg_opclass": "opcowner",
    "pg_operator": "oprowner",
    "pg_opfamily": "opfowner",
    "pg_publication": "pubowner",
    "pg_statistic_ext": "stxowner",
    "pg_ts_config": "cfgowner",
    "pg_ts_dict": "dictowner",
}
_OWNED = " UNION ALL ".join(
    f"SELECT 'pg_catalog.{catalog}'::regclass AS catalog, oid, {owner} AS owner, "
    f"{'lanacl' if catalog == 'pg_language' else 'NULL::aclitem[]'} AS acl, xmin FROM pg_catalog.{catalog}"
    for catalog, owner in _OWNERS_OF.items()
)

_OBJECTS = f"""
thing AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                          ELSE 'table' END AS kind,
        format('%I.%I', n.nspname, c.relname) AS name, c.relowner AS owner, c.relacl AS acl,
        CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END AS class, age(c.xmin) AS age
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")} AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL
    SELECT 'schema', format('%I', n.nspname), n.nspowner, n.nspacl, 'n', age(n.xmin)
    FROM pg_namespace n WHERE {USERS_OWN} AND {made_by_hand("pg_namespace", "n.oid")}
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, p.proowner, p.proacl, 'f', age(p.xmin)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE {USERS_OWN} AND {made_by_hand("pg_proc", "p.oid")}
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                        AND d.objid = p.oid AND d.deptype = 'i')
    UNION ALL
    SELECT 'type', format('%I.%I', n.nspname, t.typname), t.typowner, t.typacl, 'T', age(t.xmin)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE {USERS_OWN} AND {made_by_hand("pg_type", "t.oid")}
        AND t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typtype <> 'c' OR c.relkind = 'c')
        AND NOT EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)
    UNION ALL
    SELECT 'foreign-data wrapper', format('%I', w.fdwname), w.fdwowner, w.fdwacl, 'F', age(w.xmin)
    FROM pg_foreign_data_wrapper w WHERE {made_by_hand("pg_foreign_data_wrapper", "w.oid")}
    UNION ALL
    SELECT 'server', format('%I', s.srvname), s.srvowner, s.srvacl, 'S', age(s.xmin)
    FROM pg_foreign_server s WHERE {made_by_hand("pg_foreign_server", "s.oid")}
    UNION ALL
    SELECT o.type, o.identity, rare.owner, rare.acl, CASE o.type WHEN 'language' THEN 'l' END, age(rare.xmin)
    FROM ({_OWNED}) rare, pg_identify_object(rare.catalog, rare.oid, 0) o
    WHERE rare.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = rare.catalog
                                            AND e.objid = rare.oid AND e.deptype = 'e')
    UNION ALL
    SELECT 'database', 'itself', d.datdba, d.datacl, 'd', age(d.xmin)
    FROM pg_database d WHERE d.datname = current_database()
)"""

OWNERS = Kind(
    "owners",
    f"""
    WITH {ROLE_NAMES}, {_OBJECTS}
    SELECT thing.kind || ' ' || thing.name, jsonb_build_object('owner', role_name.name), thing.age
    FROM thing JOIN role_name ON role_name.oid = thing.owner
    """,
)

# Without any GRANT the list is empty and means the default, which a server may also write down: both are
# the same rights, so defaults are spelled out. What an owner may do with his own things is left out.
GRANTS = Kind(
    "grants",
    f"""
    WITH {ROLE_NAMES}, {_OBJECTS}, entry AS (
        SELECT thing.kind || ' ' || thing.name AS object, thing.age, a.grantee, a.privilege_type, a.is_grantable
        FROM thing, aclexplode(coalesce(thing.acl, acldefault(thing.class::"char", thing.owner))) a
        WHERE a.grantee <> thing.owner AND thing.class IS NOT NULL
        UNION ALL
        SELECT format('column %I.%I.%I', n.nspname, c.relname, t.attname), age(t.xmin), a.grantee,
            a.privilege_type, a.is_grantable
        FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
            aclexplode(t.attacl) a
        WHERE {USERS_OWN} AND {made_by_hand("pg_class", "c.oid")} AND NOT t.attisdropped
            AND a.grantee <> c.relowner
    )
    SELECT format('%s on %s to %I', lower(entry.privilege_type), entry.object,
                  coalesce(role_name.name, 'public')),
        jsonb_build_object('grantable', bool_or(entry.is_grantable)), min(entry.age)
    FROM entry LEFT JOIN role_name ON role_name.oid = entry.grantee
    WHERE entry.grantee = 0 OR role_name.oid IS NOT NULL
    GROUP BY 1
    """,
)

# A maker's own rights are left out here too: newer versions have more of them, which a restore fills in.
DEFAULT_PRIVILEGES = Kind(
    "default_privileges",
    f"""
    WITH {ROLE_NAMES}
    SELECT format('%s on new %s of %I%s to %I', lower(a.privilege_type),
            CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                 WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END,
            maker.name, CASE WHEN n.oid IS NOT NULL THEN format(' in %I', n.nspname) ELSE '' END,
            coalesce(grantee.name, 'public')),
        jsonb_build_object('grantable', bool_or(a.is_grantable)), min(age(d.xmin))
    FROM pg_default_acl d
    JOIN role_name maker ON maker.oid = d.defaclrole
    LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,
        aclexplode(d.defaclacl) a
    LEFT JOIN role_name grantee ON grantee.oid = a.grantee
    WHERE a.grantee <> d.defaclrole
    GROUP BY 1
    """,
)

# What the system and extensions have brought has rights from the beginning; a dump holds what was changed since.
SYSTEM_GRANTS = Kind(
    "system_grants",
    f"""
    WITH {ROLE_NAMES}, thing AS (
        SELECT 'pg_catalog.pg_proc'::regclass AS catalog, p.oid, 'function ' || p.oid::regprocedure::text AS name,
            coalesce(p.proacl, acldefault('f', p.proowner)) AS acl, p.proowner AS owner, p.xmin
        FROM pg_proc p WHERE p.proacl IS NOT NULL AND p.pronamespace <> 'information_schema'::regnamespace
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, c.oid, 'table ' || c.oid::regclass::text,
            coalesce(c.relacl, acldefault('r', c.relowner)), c.relowner, c.xmin
        FROM pg_class c WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
            AND c.relnamespace <> 'information_schema'::regnamespace
        UNION ALL
        SELECT 'pg_catalog.pg_namespace'::regclass, n.oid, format('schema %I', n.nspname),
            coalesce(n.nspacl, acldefault('n', n.nspowner)), n.nspowner, n.xmin FROM pg_namespace n
        WHERE n.nspname !~ '^pg_(toast|temp)' AND n.nspname <> 'information_schema'
        UNION ALL
        SELECT 'pg_catalog.pg_language'::regclass, l.oid, format('language %I', l.lanname),
            coalesce(l.lanacl, acldefault('l', l.lanowner)), l.lanowner, l.xmin FROM pg_language l
    ), brought AS (
        SELECT thing.*, coalesce(i.initprivs, acldefault(
            CASE thing.catalog WHEN 'pg_catalog.pg_proc'::regclass THEN 'f'
                               WHEN 'pg_catalog.pg_class'::regclass THEN 'r'
                               WHEN 'pg_catalog.pg_namespace'::regclass THEN 'n' ELSE 'l' END::"char",
            thing.owner)) AS initial
        FROM thing LEFT JOIN pg_init_privs i ON i.classoid = thing.catalog AND i.objoid = thing.oid AND i.objsubid = 0
        WHERE (thing.oid < 16384 AND thing.name <> 'schema public' OR EXISTS (
            SELECT FROM pg_depend e WHERE e.classid = thing.catalog AND e.objid = thing.oid AND e.deptype = 'e'))
    ), changed AS (
        SELECT name, xmin, a.grantee, a.privilege_type, true AS given
        FROM brought, aclexplode(brought.acl) a WHERE a.grantee <> brought.owner AND NOT EXISTS (
            SELECT FROM aclexplode(brought.initial) b
            WHERE (b.grantee, b.privilege_type) = (a.grantee, a.privilege_type))
        UNION ALL
        SELECT name, xmin, b.grantee, b.privilege_type, false
        FROM brought, aclexplode(brought.initial) b WHERE b.grantee <> brought.owner AND NOT EXISTS (
            SELECT FROM aclexplode(brought.acl) a
            WHERE (b.grantee, b.privilege_type) = (a.grantee, a.privilege_type))
    )
    SELECT format('%s on %s %s %I', lower(changed.privilege_type), changed.name,
                  CASE WHEN given THEN 'to' ELSE 'taken from' END, coalesce(role_name.name, 'public')),
        '{{}}'::jsonb, min(age(changed.xmin))
    FROM changed LEFT JOIN role_name ON role_name.oid = changed.grantee
    WHERE changed.grantee = 0 OR role_name.oid IS NOT NULL
    GROUP BY 1
    """,
)

PARAMETER_GRANTS = Kind(
    "parameter_grants",
    f"""
    WITH {ROLE_NAMES}
    SELECT format('%s on parameter %s to %I', lower(a.privilege_type), p.parname, coalesce(role_name.name, 'public')),
        jsonb_build_object('grantable', bool_or(a.is_grantable)), min(age(p.xmin))
    FROM pg_parameter_acl p, aclexplode(p.paracl) a LEFT JOIN role_name ON role_name.oid = a.grantee
    WHERE a.grantee <> 10 GROUP BY 1
    """,
    since=15,
)

KINDS = (POLICIES, ROLES, MEMBERSHIPS, OWNERS, GRANTS, DEFAULT_PRIVILEGES, SYSTEM_GRANTS, PARAMETER_GRANTS)
