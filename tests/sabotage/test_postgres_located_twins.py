"""Rows that differ are named by their keys, and damage that no digest sees is found block by block."""

import psycopg
import pytest
from postgres_mutations import QUIETLY

from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.comparison.locating import Copies, settled_since, with_keys
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.proofs.amcheck import Checking, check_indexes

pytestmark = pytest.mark.postgres
SOURCE, COPY = "located", "located_copy"
MADE = """
CREATE TABLE filled (id bigint PRIMARY KEY, word text);
INSERT INTO filled SELECT i, 'word ' || i FROM generate_series(1, 20000) i;
CREATE TABLE "odd 100%" ("a%b" text, n integer, v float8, PRIMARY KEY ("a%b", n));
INSERT INTO "odd 100%" SELECT chr(65 + i % 26) || i, i, i FROM generate_series(1, 5000) i;
CREATE TABLE keyless (v integer);
INSERT INTO keyless SELECT generate_series(1, 10);
CREATE TABLE looked_up (id integer PRIMARY KEY, word text);
CREATE INDEX by_word ON looked_up (word);
INSERT INTO looked_up SELECT i, 'w' || i FROM generate_series(1, 100) i;
"""


@pytest.fixture(scope="module")
def source(forge):
    forge.execute(f"DROP DATABASE IF EXISTS {SOURCE}")
    forge.execute(f"CREATE DATABASE {SOURCE}")
    dsn = forge.cluster.dsn(SOURCE)
    run(dsn, MADE)
    yield dsn
    for database in (COPY, SOURCE):
        forge.execute(f"DROP DATABASE IF EXISTS {database}")


@pytest.fixture
def facts(source):
    return collect_facts(source)


@pytest.fixture
def copy(forge, source, facts):
    forge.execute(f"DROP DATABASE IF EXISTS {COPY}")
    forge.execute(f"CREATE DATABASE {COPY} TEMPLATE {SOURCE}")
    return forge.cluster.dsn(COPY)


def run(dsn, sql):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql)


def located(facts, source, copy, **options):
    """Compare a copy with facts of the source, and say which rows differ."""
    found = compare(facts, collect_facts(copy, like=facts))
    copies = Copies(source, copy, settled_since(facts["origin"]))
    return {one.where: one.message for one in with_keys(found, copies, origin=facts["origin"], **options)}


def test_the_first_ten_keys_are_told_and_no_other_value(source, facts, copy):
    run(copy, "DELETE FROM filled WHERE id BETWEEN 5000 AND 5012; UPDATE filled SET word = 'secret' WHERE id = 31")
    message = located(facts, source, copy)["public.filled"]
    assert "changed: id 31" in message
    assert f"missing: id {', '.join(str(number) for number in range(5000, 5010))} and 3 more" in message
    assert "secret" not in message


def test_a_key_of_several_columns_and_odd_names(source, facts, copy):
    run(copy, """UPDATE "odd 100%" SET v = '-0' WHERE n = 77; INSERT INTO "odd 100%" VALUES ('Z', 9999, 1)""")
    message = located(facts, source, copy)['public."odd 100%"']
    assert """changed: ("a%b", n) (Z77, 77)""" in message
    assert 'only in the restored table (or deleted in the source since): ("a%b", n) (Z, 9999)' in message


def test_what_the_source_did_since_is_not_held_against_the_copy(source, facts, copy):
    run(copy, "UPDATE filled SET word = 'x' WHERE id = 15000")
    run(
        source,
        "UPDATE filled SET word = word || '!' WHERE id IN (1, 2, 14999); INSERT INTO filled VALUES (30000, 'new')",
    )
    try:
        assert located(facts, source, copy)["public.filled"].endswith("changed: id 15000")
    finally:
        run(source, "UPDATE filled SET word = rtrim(word, '!'); DELETE FROM filled WHERE id = 30000")


def test_without_a_key_or_the_source_the_difference_stands_alone(source, facts, copy, forge):
    run(copy, "UPDATE keyless SET v = 0 WHERE v = 5; DELETE FROM filled WHERE id = 3")
    found = located(facts, source, copy)
    assert found["public.keyless"].endswith("their content differs")
    for other in (forge.cluster.dsn("postgres"), "postgresql://nobody@127.0.0.1:1/nowhere"):
        assert located(facts, other, copy)["public.filled"] == "public.filled has 19999 rows instead of 20000"


def test_keys_can_be_kept_to_oneself(source, facts, copy):
    run(copy, "DELETE FROM filled WHERE id IN (3, 4)")
    assert located(facts, source, copy, show_keys=False)["public.filled"].endswith(": missing: 2 rows")


def test_rows_that_an_index_does_not_know_are_found(copy, binaries):
    if not (binaries.bin / "pg_amcheck").exists():
        pytest.skip("no pg_amcheck here")
    how = Checking(binaries, deadline_s=120.0)
    assert check_indexes(copy, how) == []
    run(copy, "UPDATE pg_index SET indisready = false WHERE indexrelid = 'by_word'::regclass")
    run(copy, QUIETLY + "INSERT INTO looked_up VALUES (101, 'unknown to the index')")
    run(copy, "UPDATE pg_index SET indisready = true WHERE indexrelid = 'by_word'::regclass")
    (found,) = check_indexes(copy, how)
    assert (found.code, found.where, found.severity) == ("index-corrupt", "public.by_word", "failure")
    assert "unknown to" not in found.message
    with psycopg.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'").fetchone() == (0,)


def test_a_check_that_could_not_run_is_told(copy, binaries, tmp_path):
    from dataclasses import replace

    (found,) = check_indexes(copy, Checking(replace(binaries, bin=tmp_path)))
    assert (found.code, found.severity) == ("indexes-not-checked", "warning")
