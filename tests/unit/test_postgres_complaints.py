"""What psql and pg_restore complain about becomes findings."""

import pytest

from chaoslab.postgres.logical.complaints import complaints

RESTORE = """pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3495; 0 0 ACL public TABLE orders app
pg_restore: error: could not execute query: ERROR:  role "app" does not exist
Command was: GRANT SELECT ON TABLE public.orders TO app;

pg_restore: from TOC entry 2; 3079 16826 EXTENSION - postgis
pg_restore: error: could not execute query: ERROR:  extension "postgis" is not available
DETAIL:  Could not open extension control file "/usr/share/postgresql/15/extension/postgis.control"
HINT:  The extension must first be installed.
pg_restore: warning: errors ignored on restore: 2
"""


def found(text):
    return [(one.code, one.where) for one in complaints(text, archive="shop.dump")]


def test_each_error_is_told_once_with_what_it_is_about():
    assert found(RESTORE) == [("role-missing", "app"), ("extension-missing", "postgis")]


def test_a_missing_role_is_told_once_however_much_needs_it():
    acl = RESTORE[RESTORE.index("pg_restore: from TOC") : RESTORE.index("\npg_restore: from TOC entry 2;")]
    one, two = complaints(RESTORE.replace(acl, acl * 3), archive="x")
    assert (one.code, two.code) == ("role-missing", "extension-missing")
    assert one.message == "role app is needed by ACL public TABLE orders app and was not restored (2 more need it too)"


PARALLEL = """pg_restore: error: could not execute query: ERROR:  insert or update on table "a" violates foreign key
DETAIL:  Key (patient)=(113) is not present in table "b".
Command was: ALTER TABLE ONLY public.a
    ADD CONSTRAINT a_fkey FOREIGN KEY (patient) REFERENCES public.b(id);

pg_restore: error: could not execute query: ERROR:  null value in column "x" violates not-null constraint
DETAIL:  Failing row contains (Jane, null).
Command was: INSERT INTO public.c VALUES ('Jane', NULL);
pg_restore: warning: errors ignored on restore: 2
"""


def test_workers_tell_the_command_instead_of_the_thing():
    assert found(PARALLEL) == [
        ("constraint-violated", "ALTER TABLE ONLY public.a"),
        ("constraint-violated", "INSERT INTO public.c"),
    ]
    assert not any("Jane" in one.message + one.where for one in complaints(PARALLEL, archive="x"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("pg_restore: error: could not read from input file: end of file", "backup-truncated"),
        ("pg_restore: error: could not uncompress data: incorrect data check", "backup-corrupt"),
        (
            "pg_restore: error: could not execute query: server closed the connection unexpectedly",
            "scratch-server-died",
        ),
        (
            'pg_restore: error: connection to server at "127.0.0.1", port 5 failed: Connection refused',
            "scratch-server-died",
        ),
        (
            'pg_restore: error: could not execute query: ERROR:  could not extend file "b": No space left on device',
            "scratch-disk-full",
        ),
        (
            'pg_restore: error: could not execute query: ERROR:  invalid locale name: "de_CH.utf8"',
            "locale-missing",
        ),
        (
            'pg_restore: error: could not execute query: ERROR:  insert or update on table "a" violates foreign key '
            'constraint "a_fkey"',
            "constraint-violated",
        ),
        ("psql:<stdin>:7: ERROR:  42601: syntax error at or near", "restore-error"),
    ],
)
def test_codes(line, code):
    assert [one for one, _ in found(line)] == [code]


def test_values_of_rows_are_not_repeated():
    line = 'pg_restore: error: COPY failed for table "a": ERROR:  invalid input syntax for type integer: "Jane Doe"'
    (only,) = complaints(line, archive="shop.dump")
    assert "Jane" not in only.message
    assert "invalid input syntax" in only.message


def test_chatter_is_no_complaint():
    assert found("pg_restore: creating TABLE public.orders\nNOTICE:  fine\n") == []
