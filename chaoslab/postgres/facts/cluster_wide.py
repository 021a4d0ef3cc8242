"""What belongs to the server or to others, and to this database with it: tablespaces, subscriptions, labels."""
# ruff: noqa: S608 - only constants and names that the server has quoted go into these statements

from chaoslab.postgres.facts.kind import ROLE_NAMES, Kind

TABLESPACES = Kind(
    "tablespaces",
    f"""
    WITH {ROLE_NAMES}
    SELECT format('%I', s.spcname),
        jsonb_build_object('owner', role_name.name,
            'options', (SELECT array_agg(o ORDER BY o) FROM unnest(s.spcoptions) o),
            'grants', (SELECT array_agg(concat_ws(' ', coalesce(r.name, 'public'), a.privilege_type, a.is_grantable)
                                        ORDER BY coalesce(r.name, 'public'), a.privilege_type)
                       FROM aclexplode(s.spcacl) a LEFT JOIN role_name r ON r.oid = a.grantee
                       WHERE a.grantee <> s.spcowner)),
        age(s.xmin)
    FROM pg_tablespace s JOIN role_name ON role_name.oid = s.spcowner WHERE s.spcname !~ '^pg_'
    """,
)

# Where a subscription connects to is for superusers only, and holds passwords.
SUBSCRIPTIONS = Kind(
    "subscriptions",
    f"""
    WITH {ROLE_NAMES}
    SELECT format('%I', s.subname),
        jsonb_build_object('owner', role_name.name, 'enabled', s.subenabled, 'slot', s.subslotname,
            'synchronous_commit', s.subsynccommit, 'publications', (SELECT array_agg(p ORDER BY p)
                FROM unnest(s.subpublications) p)),
        NULL::integer
    FROM (SELECT oid, subdbid, subname, subowner, subenabled, subslotname, subsynccommit, subpublications
          FROM pg_subscription) s JOIN role_name ON role_name.oid = s.subowner
    WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    """,
)

SECURITY_LABELS = Kind(
    "security_labels",
    """
    SELECT concat_ws(' ', i.type, i.identity, 'by', l.provider), jsonb_build_object('md5', md5(l.label)), age(l.xmin)
    FROM (SELECT classoid, objoid, objsubid, provider, label, xmin FROM pg_seclabel
          UNION ALL
          SELECT classoid, objoid, 0, provider, label, xmin FROM pg_shseclabel
          WHERE classoid <> 'pg_catalog.pg_database'::regclass
              OR objoid = (SELECT oid FROM pg_database WHERE datname = current_database())) l,
        pg_identify_object(l.classoid, l.objoid, l.objsubid) i
    WHERE i.identity IS NOT NULL
    """,
)

KINDS = (TABLESPACES, SUBSCRIPTIONS, SECURITY_LABELS)
