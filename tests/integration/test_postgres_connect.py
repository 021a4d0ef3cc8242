"""Connections: pinned, read-only, and with errors of one line that hold no password."""

import psycopg
import pytest

from chaoslab.postgres.connect import (
    PINNED_SETTINGS,
    ConnectFailed,
    connect,
    describe,
    parse_dsn,
    split_password,
    with_database,
)
from chaoslab.postgres.servers.ports import free_port

pytestmark = pytest.mark.postgres
SECRET = "s3cr3t-Passw0rd"


@pytest.fixture
def dsn(lab):
    return lab["server"]["dsn"]


def failure(dsn, **options):
    with pytest.raises(ConnectFailed) as caught:
        connect(dsn, who="the source", **options)
    told = str(caught.value)
    assert "\n" not in told
    assert SECRET not in told
    assert told.startswith("the source")
    return told


def changed(dsn, **parts):
    return psycopg.conninfo.make_conninfo(dsn, **parts)


def test_what_is_no_connection_string():
    assert "not a PostgreSQL connection string" in failure(f"postgresql//user:{SECRET}@host")
    assert "not a PostgreSQL connection string" in failure(f"password={SECRET} =")
    assert "no connection string given" in failure("  ")


def test_refused(dsn):
    assert "Connection refused" in failure(f"postgresql://user:{SECRET}@127.0.0.1:{free_port()}/shop")


def test_unknown_host():
    assert "resolve host" in failure(f"postgresql://user:{SECRET}@no-such-host.invalid/shop")


def test_wrong_password(dsn):
    assert "password authentication failed" in failure(changed(dsn, password=SECRET))


def test_unknown_database(dsn):
    assert 'database "nothing" does not exist' in failure(changed(dsn, dbname="nothing"))


def test_sessions_are_pinned_whatever_the_role_has_configured(dsn):
    with connect(dsn, read_only=False) as admin:
        admin.execute("CREATE ROLE odd LOGIN PASSWORD 'odd'")
        for setting in ("datestyle = 'SQL, DMY'", "timezone = 'Asia/Tokyo'", "extra_float_digits = -5"):
            admin.execute(f"ALTER ROLE odd SET {setting}")
    try:
        with connect(changed(dsn, user="odd", password="odd")) as connection:
            for name, value in PINNED_SETTINGS.items():
                [shown] = connection.execute(f"SHOW {name}").fetchone()
                assert shown in {value, value or '""'}, name
            assert connection.execute("SHOW application_name").fetchone() == ("chaoslab",)
    finally:
        with connect(dsn, read_only=False) as admin:
            admin.execute("DROP ROLE odd")


def test_the_source_cannot_be_written_to_by_accident(dsn):
    with connect(dsn) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE public.oops (i integer)")


def test_a_statement_that_takes_too_long_is_ended(dsn):
    with connect(dsn, statement_timeout_s=0.1) as connection, pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(5)")


def test_a_policy_that_would_hide_rows_is_an_error(lab, dsn):
    limited = changed(lab["postgres"][0]["dsn"])
    with connect(limited) as connection:
        connection.execute("SET ROLE healthfinance_app")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM clinic.appointment")


def test_programs_get_the_password_in_their_environment():
    conninfo, environment = split_password(f"postgresql://user:{SECRET}@host:5/shop?sslmode=disable")
    assert SECRET not in conninfo
    assert environment == {"PGPASSWORD": SECRET}
    assert parse_dsn(conninfo)["sslmode"] == "disable"


def test_a_dsn_is_described_without_its_password():
    assert describe(f"postgresql://user:{SECRET}@host:5/shop") == "user@host:5/shop"
    assert describe(f"host=/run/pg user=me password={SECRET} dbname=shop") == "me@/run/pg/shop"


def test_another_database_of_the_same_server():
    other = parse_dsn(with_database("postgresql://me:pw@a:1,b:2/shop?sslmode=prefer", "odd name"))
    assert (other["host"], other["dbname"], other["sslmode"]) == ("a,b", "odd name", "prefer")
