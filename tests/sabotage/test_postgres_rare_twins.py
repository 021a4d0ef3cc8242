"""What few databases have is compared too: each loss of it is named, and a copy of it is no different."""

import psycopg
import pytest

from chaoslab.postgres.compare import compare
from chaoslab.postgres.facts import collect_facts

pytestmark = pytest.mark.postgres
DATABASE, COPY = "rare", "rare_copy"
MADE = """
CREATE TABLE parent (id integer PRIMARY KEY, word text);
CREATE TABLE child (id integer REFERENCES parent);
CREATE PUBLICATION news FOR TABLE parent (id) WHERE (id > 3);
CREATE FOREIGN DATA WRAPPER wrapper OPTIONS (debug 'a');
CREATE SERVER far FOREIGN DATA WRAPPER wrapper OPTIONS (host 'h1');
CREATE USER MAPPING FOR healthfinance_app SERVER far OPTIONS (password 'hunter2-canary');
CREATE FOREIGN TABLE abroad (i integer) SERVER far OPTIONS (name 'x');
CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
CREATE TYPE pair AS (a integer, b text);
CREATE CAST (pair AS text) WITH INOUT;
CREATE COLLATION plain (provider = libc, locale = 'C');
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO healthfinance_app;
"""
LOSSES = {
    "foreign-key-not-enforced": ("ALTER TABLE child DISABLE TRIGGER ALL", "constraint-differs"),
    "publication-filter": ("ALTER PUBLICATION news SET TABLE parent (id)", "publication-differs"),
    "publication-columns": ("ALTER PUBLICATION news SET TABLE parent WHERE (id > 3)", "publication-differs"),
    "publication-root": ("ALTER PUBLICATION news SET (publish_via_partition_root)", "publication-differs"),
    "wrapper-options": ("ALTER FOREIGN DATA WRAPPER wrapper OPTIONS (SET debug 'b')", "object-differs"),
    "server-options": ("ALTER SERVER far OPTIONS (SET host 'h2')", "object-differs"),
    "server-owner": ("ALTER SERVER far OWNER TO healthfinance_owner", "owner-differs"),
    "user-mapping": ("DROP USER MAPPING FOR healthfinance_app SERVER far", "object-missing"),
    "foreign-table-options": ("ALTER FOREIGN TABLE abroad OPTIONS (SET name 'y')", "table-differs"),
    "operator": (
        "DROP OPERATOR === (integer, integer); "
        "CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4ne)",
        "object-differs",
    ),
    "cast": ("DROP CAST (pair AS text); CREATE CAST (pair AS text) WITH INOUT AS IMPLICIT", "object-differs"),
    "collation": (
        "DROP COLLATION plain; CREATE COLLATION plain (provider = libc, locale = 'POSIX')",
        "object-differs",
    ),
    "text-search": ("ALTER TEXT SEARCH CONFIGURATION words DROP MAPPING FOR word", "object-differs"),
    "range": ("DROP TYPE span; CREATE TYPE span AS RANGE (subtype = float8)", "type-differs"),
    "default-privilege": (
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM healthfinance_app",
        "default-privilege-missing",
    ),
}


@pytest.fixture(scope="module")
def healthy(forge):
    forge.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    forge.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(forge.cluster.dsn(DATABASE), autocommit=True) as connection:
        if connection.info.server_version < 150000:
            pytest.skip("publications have neither columns nor filters before PostgreSQL 15")
        connection.execute(MADE)
    yield collect_facts(forge.cluster.dsn(DATABASE))
    for database in (DATABASE, COPY):
        forge.execute(f"DROP DATABASE IF EXISTS {database}")


@pytest.fixture
def copy(forge, healthy):
    forge.execute(f"DROP DATABASE IF EXISTS {COPY}")
    forge.execute(f"CREATE DATABASE {COPY} TEMPLATE {DATABASE}")
    return forge.cluster.dsn(COPY)


def test_a_copy_is_no_different_and_its_facts_hold_no_secret(healthy, copy):
    assert compare(healthy, collect_facts(copy)) == []
    assert "hunter2-canary" not in str(healthy)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_is_named(loss, healthy, copy):
    sql, code = LOSSES[loss]
    with psycopg.connect(copy, autocommit=True) as connection:
        connection.execute(sql)
    found = compare(healthy, collect_facts(copy))
    assert [one for one in found if one.code == code and one.severity == "failure"], found


def test_a_source_that_does_not_enforce_is_no_difference(healthy, copy):
    with psycopg.connect(copy, autocommit=True) as connection:
        connection.execute("ALTER TABLE child DISABLE TRIGGER ALL")
    assert compare(collect_facts(copy), healthy) == []  # pg_dump leaves it out, and the restored database is better off
