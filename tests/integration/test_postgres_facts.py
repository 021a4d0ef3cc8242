"""Facts of a database: what must differ differs, what must not does not."""

import psycopg
import pytest

from chaoslab.lab.audit import AUDIT_RULE
from chaoslab.postgres.connect import connect
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.facts import content as content_facts
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.snapshot import CannotRead, shared_snapshot

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def dsn(lab):
    """A database of its own, empty at first."""
    admin = lab["server"]["dsn"]
    with connect(admin, read_only=False) as connection:
        connection.execute("CREATE DATABASE facts_test")
    yield admin.rpartition("/")[0] + "/facts_test"
    with connect(admin, read_only=False) as connection:
        connection.execute("DROP DATABASE facts_test WITH (FORCE)")


@pytest.fixture
def sql(dsn):
    """Run SQL in the database; everything in it is removed afterwards."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection.execute
        for (name,) in connection.execute("SELECT nspname FROM pg_namespace WHERE oid > 16384 AND nspname !~ '^pg_'"):
            connection.execute(f'DROP SCHEMA "{name}" CASCADE')
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")


def content(dsn, table="public.a"):
    return collect_facts(dsn)["content"][table]


def digests(dsn, sql, kind, values):
    """Digest a one-row table once for each value."""
    found = []
    for value in values:
        sql("DROP TABLE IF EXISTS a")
        sql(f"CREATE TABLE a (v {kind})")
        sql(f"INSERT INTO a VALUES ({value})")
        found.append(content(dsn)["digest"])
    return found


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ["NULL", "''", "'NULL'", "' '", "'\"\"'"]),
        ("double precision", ["NULL", "'NaN'", "0", "'-0'", "'Infinity'", "0.1", "0.1::real"]),
        ("numeric", ["NULL", "'NaN'", "0.1", "0.10", "1e20"]),
        ("bytea", ["NULL", "''", "'\\x00'", "'\\x0000'"]),
        ("text[]", ["NULL", "'{}'", "'{NULL}'", "'{\"NULL\"}'", "'{a,b}'", "'{\"a,b\"}'"]),
        ("jsonb", ["NULL", "'null'", "'\"null\"'", "'{}'"]),
        ("timestamptz", ["NULL", "'infinity'", "'2024-01-01 00:00:00+00'", "'2024-01-01 00:00:00.000001+00'"]),
    ],
)
def test_values_that_differ_have_digests_that_differ(dsn, sql, kind, values):
    found = digests(dsn, sql, kind, values)
    assert len(set(found)) == len(values)


def test_rows_that_swap_a_value_are_seen_every_time(dsn, sql):
    """A hash of a record is linear in its columns: summed as it is, most of these pairs would look the same."""
    for number in range(1, 12):
        sql("DROP TABLE IF EXISTS a")
        sql(f"CREATE TABLE a AS SELECT * FROM (VALUES ({number}, 10), (2000, 20)) v (x, y)")
        before = content(dsn)
        sql("UPDATE a SET y = 30 - y")
        assert content(dsn) != before


def test_a_large_table_is_read_in_pieces_that_add_up(dsn, sql, monkeypatch):
    sql("CREATE TABLE a AS SELECT i, repeat('x', 200) AS x FROM generate_series(1, 20000) i")
    whole = content(dsn)
    monkeypatch.setattr("chaoslab.postgres.facts.content.PIECE_BYTES", 1 << 18)
    with connect(dsn) as connection:
        (relation,) = content_facts.relations(connection)
        assert len(content_facts.pieces(relation, 15)) > 10
    assert content(dsn) == whole


def test_an_extension_s_tables_are_compared_in_the_rows_that_are_the_user_s(dsn, sql):
    # An extension's own script declares which; here the catalogue is told so directly.
    offered = sql("SELECT name FROM pg_available_extensions WHERE name IN ('pg_trgm', 'vector')").fetchall()
    sql(f"CREATE EXTENSION {offered[0][0]}")
    sql("CREATE TABLE a AS SELECT i, i > 5 AS own FROM generate_series(1, 8) i")
    sql(f"ALTER EXTENSION {offered[0][0]} ADD TABLE a")
    try:
        assert "public.a" not in collect_facts(dsn)["content"]
        sql("UPDATE pg_extension SET extconfig = ARRAY['a'::regclass::oid], extcondition = ARRAY['WHERE own']")
        assert content(dsn)["rows"] == 3
    finally:
        sql(f"DROP EXTENSION {offered[0][0]} CASCADE")


def test_the_server_itself_ends_what_reads_for_too_long(dsn, sql):
    sql("CREATE TABLE a AS SELECT generate_series(1, 200000) AS n")
    with pytest.raises(CannotRead, match="statement timeout"):
        collect_facts(dsn, statement_timeout_s=0.002)


def test_the_digest_depends_neither_on_the_order_of_rows_nor_of_columns(dsn, sql):
    sql("CREATE TABLE a (x integer, y text)")
    sql("CREATE TABLE b (y text, x integer)")
    sql("INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 500) i")
    sql("INSERT INTO b SELECT y, x FROM a ORDER BY x DESC")
    assert content(dsn, "public.a") == content(dsn, "public.b")


def test_equal_rows_do_not_cancel_each_other(dsn, sql):
    sql("CREATE TABLE a (x integer)")
    empty = content(dsn)["digest"]
    sql("INSERT INTO a VALUES (1), (1)")
    assert content(dsn)["digest"] != empty


def test_the_settings_of_a_database_change_no_digest(dsn, sql):
    sql("CREATE TABLE a AS SELECT 0.1::float8 + 0.2::float8 AS f, now() AS t, interval '1 day 2 hours' AS i")
    before = content(dsn)
    for setting in (
        "extra_float_digits = 0",
        "timezone = 'Asia/Tokyo'",
        "intervalstyle = iso_8601",
        "datestyle = German",
    ):
        sql(f"ALTER DATABASE facts_test SET {setting}")
    try:
        assert content(dsn) == before
    finally:
        sql("ALTER DATABASE facts_test RESET ALL")


def test_odd_names_odd_shapes(dsn, sql):
    sql('CREATE SCHEMA "a.b"')
    sql('CREATE TABLE "a.b"."c""d" ("select" integer, "x y" text, r text)')
    sql('INSERT INTO "a.b"."c""d" VALUES (1, \'x\', \'y\')')
    sql("CREATE TABLE nothing ()")
    sql("INSERT INTO nothing DEFAULT VALUES")
    sql("CREATE TABLE parent (i integer)")
    sql("CREATE TABLE child (j integer) INHERITS (parent)")
    sql("INSERT INTO child VALUES (1, 2)")
    found = collect_facts(dsn)["content"]
    assert found['"a.b"."c""d"']["rows"] == 1
    assert found["public.nothing"]["rows"] == 1
    assert (found["public.parent"]["rows"], found["public.child"]["rows"]) == (0, 1)


def test_rows_lie_in_partitions_and_are_counted_there(dsn, sql):
    sql("CREATE TABLE a (i integer) PARTITION BY RANGE (i)")
    sql("CREATE TABLE a_low PARTITION OF a FOR VALUES FROM (0) TO (10)")
    sql("CREATE TABLE a_rest PARTITION OF a DEFAULT")
    sql("INSERT INTO a SELECT generate_series(1, 15)")
    found = collect_facts(dsn)
    assert "public.a" not in found["content"]
    assert (found["content"]["public.a_low"]["rows"], found["content"]["public.a_rest"]["rows"]) == (9, 6)
    assert found["structure"]["tables"]["public.a"]["kind"] == "partitioned table"


def test_what_an_extension_brings_along_is_its_own(dsn, sql):
    # Debian's server has the one, the wheel's has the other.
    offered = sql("SELECT name FROM pg_available_extensions WHERE name IN ('pg_trgm', 'vector')").fetchall()
    name = offered[0][0]
    sql("CREATE SCHEMA tools")
    sql(f"CREATE EXTENSION {name} SCHEMA tools")
    assert sql("SELECT count(*) FROM pg_proc WHERE pronamespace = 'tools'::regnamespace").fetchone()[0] > 0
    found = collect_facts(dsn, level="structure")["structure"]
    assert found["extensions"][name]["schema"] == "tools"
    assert not any(function.startswith("tools.") for function in found["functions"])


def test_a_secret_in_a_setting_is_digested(dsn, sql):
    sql("ALTER DATABASE facts_test SET app.jwt_secret = 'hunter2hunter2'")
    sql("ALTER DATABASE facts_test SET work_mem = '5MB'")
    try:
        found = collect_facts(dsn, level="structure")["structure"]["settings"]
        assert found["of the database: work_mem"] == {"value": "5MB"}
        assert found["of the database: app.jwt_secret"]["value"].startswith("md5 ")
    finally:
        sql("ALTER DATABASE facts_test RESET ALL")


def test_structure_alone_reads_no_rows(dsn, sql):
    sql("CREATE TABLE a AS SELECT generate_series(1, 10) AS i")
    found = collect_facts(dsn, level="structure")
    assert "content" not in found
    assert "public.a" in found["structure"]["tables"]


def test_all_connections_see_one_snapshot(dsn, sql):
    sql("CREATE TABLE a AS SELECT generate_series(1, 10) AS i")
    sql("CREATE TABLE b AS SELECT generate_series(1, 10) AS i")
    with connect(dsn) as leader, shared_snapshot(leader) as snapshot:
        sql("INSERT INTO a VALUES (11)")
        sql("TRUNCATE b")
        sql("INSERT INTO b VALUES (1)")
        found = collect_facts(dsn, snapshot=snapshot, jobs=3)["content"]
    assert (found["public.a"]["rows"], content(dsn)["rows"]) == (10, 11)


def test_facts_are_the_same_every_time(lab):
    dsn = lab["postgres"][1]["dsn"]
    with connect(dsn) as leader, shared_snapshot(leader) as snapshot:
        first, second = (collect_facts(dsn, snapshot=snapshot, jobs=jobs) for jobs in (1, 4))
    for part in ("structure", "content", "large_objects"):
        assert first[part] == second[part]


def test_a_table_that_may_not_be_read_is_named(dsn, sql):
    sql("CREATE TABLE hidden (i integer)")
    sql("CREATE ROLE blind LOGIN PASSWORD 'blind'")
    try:
        with pytest.raises(CannotRead, match="hidden"):
            collect_facts(psycopg.conninfo.make_conninfo(dsn, user="blind", password="blind"))
    finally:
        sql("DROP ROLE blind")


def test_the_audit_chain_is_recomputed(lab):
    dsn = lab["postgres"][0]["dsn"]
    rule = AuditRule.parse(AUDIT_RULE)
    found = collect_facts(dsn, audit=rule)["audit"]
    assert found["broken"] == 0
    assert found["rows"] >= 100
    wrong = AuditRule.parse({**AUDIT_RULE, "expression": "sha256(prev_hash)"})
    assert collect_facts(dsn, audit=wrong)["audit"]["broken"] == found["rows"]


def test_an_audit_rule_that_does_not_fit_is_told(dsn, sql):
    rule = AuditRule(table="public.none", order="id", previous="p", hash="h", expression="h")
    with pytest.raises(CannotRead, match="audit log public.none"):
        collect_facts(dsn, audit=rule)


def test_the_comment_of_a_database_that_every_server_has_is_a_fact_too(lab):
    # Restored, such a database is made anew and has another number: its comment must not look like an addition.
    facts = collect_facts(lab["server"]["dsn"].rpartition("/")[0] + "/postgres")
    assert "database itself" in facts["structure"]["comments"]


def test_a_table_that_somebody_drops_meanwhile_is_told_in_one_line(dsn, sql):
    sql("CREATE TABLE a (v int)")
    sql("INSERT INTO a VALUES (1)")
    with connect(dsn) as leader, shared_snapshot(leader) as snapshot:
        sql("DROP TABLE a")
        with pytest.raises(CannotRead, match=r"public\.a"):
            collect_facts(dsn, snapshot=snapshot)


def test_a_snapshot_is_held_however_impatient_the_database_is(dsn, sql):
    sql("CREATE TABLE a (v int)")
    for setting in ("idle_in_transaction_session_timeout", "idle_session_timeout"):
        sql(f"ALTER DATABASE facts_test SET {setting} = '20ms'")
    try:
        with connect(dsn) as leader, shared_snapshot(leader) as snapshot:
            sql("SELECT pg_sleep(0.5)")  # far longer than it would be let live
            assert "public.a" in collect_facts(dsn, snapshot=snapshot)["content"]
            shown = leader.execute("SELECT setting FROM pg_settings WHERE name LIKE 'idle%timeout'").fetchall()
            assert shown == [("0",), ("0",)]
    finally:
        sql("ALTER DATABASE facts_test RESET ALL")
