"""What belongs to the whole server is compared too, and so are the versions of collations."""

import psycopg
import pytest

from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.facts import collect_facts

pytestmark = pytest.mark.postgres
DATABASE = "shared"
MADE = (
    "SET allow_in_place_tablespaces = on",
    "CREATE TABLESPACE fast LOCATION ''",
    "COMMENT ON TABLESPACE fast IS 'of flash'",
    "CREATE ROLE caller",
    "COMMENT ON ROLE caller IS 'calls'",
    "GRANT SET ON PARAMETER log_min_messages TO caller WITH GRANT OPTION",
    "CREATE SUBSCRIPTION inward CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p "
    "WITH (connect = false, slot_name = NONE)",
    "CREATE COLLATION sorted (provider = icu, locale = 'en-US')",
    "CREATE TABLE named (name text COLLATE sorted PRIMARY KEY)",
)
CHANGES = {
    "tablespace-options": ("ALTER TABLESPACE fast SET (random_page_cost = 1.1)", "tablespace-differs", "failure"),
    "tablespace-owner": ("ALTER TABLESPACE fast OWNER TO caller", "tablespace-differs", "failure"),
    "tablespace-comment": ("COMMENT ON TABLESPACE fast IS NULL", "comment-missing", "warning"),
    "tablespace": ("DROP TABLESPACE fast", "tablespace-missing", "failure"),
    "role-comment": ("COMMENT ON ROLE caller IS 'listens'", "comment-differs", "warning"),
    "parameter-option": (
        "REVOKE GRANT OPTION FOR SET ON PARAMETER log_min_messages FROM caller",
        "parameter-grant-differs",
        "failure",
    ),
    "parameter-grant": ("REVOKE SET ON PARAMETER log_min_messages FROM caller", "parameter-grant-missing", "failure"),
    "subscription": (
        "ALTER SUBSCRIPTION inward SET PUBLICATION q WITH (refresh = false)",
        "subscription-differs",
        "failure",
    ),
    "collation-version": (
        "UPDATE pg_collation SET collversion = '1.0' WHERE collname = 'sorted'",
        "collation-version-differs",
        "failure",
    ),
    "database-collation-version": (
        f"UPDATE pg_database SET datcollversion = '1.0' WHERE datname = '{DATABASE}'",
        "collation-version-differs",
        "failure",
    ),
}


@pytest.fixture(scope="module")
def dsn(forge, binaries):
    if binaries.major < 15:
        pytest.skip("neither parameters nor databases of ICU can be had before PostgreSQL 15")
    forge.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    forge.execute(*MADE, database=DATABASE)
    yield forge.cluster.dsn(DATABASE)
    # A database with a subscription cannot be dropped, nor a role that still owns or may do something.
    forge.execute(
        "DROP SUBSCRIPTION inward", "DROP TABLESPACE IF EXISTS fast", "DROP OWNED BY caller", database=DATABASE
    )
    forge.execute(f"DROP DATABASE {DATABASE}", "DROP ROLE caller")


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_named(name, dsn):
    sql, code, severity = CHANGES[name]
    before = collect_facts(dsn, level="structure")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql)
    found = compare(before, collect_facts(dsn, level="structure"))
    assert (code, severity) in {(one.code, one.severity) for one in found}, found


def test_another_version_of_the_collation_where_it_was_restored_is_a_warning(dsn):
    source = collect_facts(dsn, level="structure")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} REFRESH COLLATION VERSION")
    restored = collect_facts(dsn, level="structure")
    source["database"]["collation_version"] = "1.0"
    found = [(one.code, one.severity) for one in compare(source, restored) if one.where == "database"]
    assert found == [("collation-version-differs", "warning")]
