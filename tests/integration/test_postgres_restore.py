"""Restoring into a scratch server: every form of dump, and every way in which it can go wrong."""

import os
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from chaoslab.core.errors import Missing
from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.comparison.live_rows import Live
from chaoslab.postgres.comparison.verify import verify
from chaoslab.postgres.connect import connect
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.logical.archive import damage, open_backup
from chaoslab.postgres.logical.backup import take_backup
from chaoslab.postgres.logical.restore import Restoring, restore_backup
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.servers.scratch import make, provision, remove

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def dsn(make_database):
    return make_database(size_mb=1, name="restore_test")


@pytest.fixture(scope="module")
def facts(dsn):
    return collect_facts(dsn)


@pytest.fixture(scope="module")
def own(passable_root, binaries):
    """Make scratch servers that are removed at the end."""
    made = []

    def new():
        scratch = make(passable_root / f"scratch-{len(made)}", "token")
        made.append(scratch)
        return scratch, provision(scratch, binaries, profile="verify", jobs=2, deadline_s=60)

    yield new
    for scratch in made:
        remove(scratch.folder, "token")


@pytest.fixture(scope="module")
def server(own):
    return own()


def pg_dump(binaries, dsn, path, *options):
    subprocess.run([binaries.program("pg_dump"), *options, f"--file={path}", f"--dbname={dsn}"], check=True)
    return path


def pg_dumpall(binaries, dsn, path):
    command = [binaries.program("pg_dumpall"), "--globals-only", f"--file={path}", f"--dbname={dsn}"]
    subprocess.run(command, check=True)
    return path


def restore(server, binaries, path, *, database="restore_test", deadline_s=60.0, globals_path=None):
    scratch, cluster = server
    with connect(cluster.dsn("template1"), read_only=False) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database}")
    backup = open_backup(path, binaries, globals_path=globals_path)
    return restore_backup(backup, Restoring(scratch, cluster, binaries, deadline_s=deadline_s), database=database)


FORMS = {
    "custom": ("shop.dump", ["--format=custom"]),
    "directory": ("shop.dir", ["--format=directory", "--jobs=2"]),
    "tar": ("shop.tar", ["--format=tar"]),
    "plain": ("shop.sql", ["--format=plain"]),
    "plain-create": ("shop.sql", ["--format=plain", "--create"]),
    "plain-gz": ("shop.sql.gz", ["--format=plain", "--compress=6"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_dump_comes_back_whole(form, dsn, facts, server, binaries, tmp_path):
    name, options = FORMS[form]
    path = pg_dump(binaries, dsn, tmp_path / name, *options)
    roles = pg_dumpall(binaries, dsn, tmp_path / "globals.sql")
    backup = open_backup(path, binaries)
    assert backup.globals_path == roles
    assert damage(backup, binaries, deadline_s=60, watch=lambda: None) == []
    done = restore(server, binaries, path)
    assert done.usable
    assert done.differences == []
    found = collect_facts(server[1].dsn(done.database), bootstrap="postgres")
    different = compare(facts, found)
    # A plain dump of the database alone does not hold what is set for the database itself.
    allowed = (
        set() if form in {"custom", "directory", "tar", "plain-create"} else {"database itself", "of the database"}
    )
    assert [one for one in different if not any(word in one.where for word in allowed)] == []


def test_a_dump_of_insert_statements_loses_minus_zero_and_that_is_found(dsn, facts, server, binaries, tmp_path):
    """pg_dump writes `-0` as a number without quotes, and a server reads that as 0."""
    path = pg_dump(binaries, dsn, tmp_path / "shop.sql", "--format=plain", "--inserts", "--create")
    pg_dumpall(binaries, dsn, tmp_path / "globals.sql")
    done = restore(server, binaries, path)
    assert done.differences == []
    found = compare(facts, collect_facts(server[1].dsn(done.database), bootstrap="postgres"))
    assert [(one.code, one.where) for one in found] == [("content-differs", "clinic.measurement")]


def test_settings_of_the_database_do_not_stop_its_restore(make_database, server, binaries, tmp_path):
    dsn = make_database(size_mb=1, name="strict")
    with connect(dsn, read_only=False) as admin:
        for setting in ("default_transaction_read_only = on", "statement_timeout = '1s'", "datestyle = German"):
            admin.execute(f"ALTER DATABASE strict SET {setting}")
    taken = take_backup(dsn, tmp_path, binaries)
    done = restore(server, binaries, taken.path, database="strict")
    assert done.differences == []
    assert compare(taken.manifest["facts"], collect_facts(server[1].dsn("strict"), bootstrap="postgres")) == []


def test_a_tablespace_is_put_into_the_scratch_folder(lab, own, binaries, passable):
    """The source is another server here: both cannot have one folder for their tablespaces."""
    source, place = own()[1], passable / "fast disk"
    place.mkdir()
    if source.user:
        os.chown(place, source.user.uid, source.user.gid)
    with connect(source.dsn("postgres"), read_only=False) as admin:
        admin.execute("CREATE ROLE keeper")
        admin.execute(f"""CREATE TABLESPACE "fast ""one" OWNER keeper LOCATION '{place}'""")
        admin.execute('CREATE DATABASE spaced TABLESPACE "fast ""one"')
    with connect(source.dsn("spaced"), read_only=False) as admin:
        admin.execute("CREATE TABLE public.t TABLESPACE pg_default AS SELECT 1 AS i")
        admin.execute('CREATE INDEX t_i ON public.t (i) TABLESPACE "fast ""one"')
    taken = take_backup(source.dsn("spaced"), passable / "dumps", binaries)
    target = own()
    done = restore(target, binaries, taken.path, database="spaced")
    assert [(one.code, one.severity) for one in done.differences] == [("tablespace-moved", "note")]
    bootstrap = taken.manifest["facts"]["database"]["bootstrap_role"]
    assert compare(taken.manifest["facts"], collect_facts(target[1].dsn("spaced"), bootstrap=bootstrap)) == []


def test_the_database_postgres_itself(own, binaries, passable):
    source, target = own()[1], own()
    with connect(source.dsn("postgres"), read_only=False) as admin:
        admin.execute("CREATE TABLE public.t AS SELECT 1 AS i")
    taken = take_backup(source.dsn("postgres"), passable, binaries)
    done = restore_backup(taken, Restoring(target[0], target[1], binaries))
    assert (done.differences, done.usable) == ([], True)


def test_an_extension_that_is_not_installed(dsn, server, binaries, tmp_path):
    text = pg_dump(binaries, dsn, tmp_path / "x.sql", "--format=plain").read_text()
    marker = "CREATE SCHEMA clinic;"
    (tmp_path / "x.sql").write_text(text.replace(marker, f"CREATE EXTENSION never_heard_of;\n{marker}", 1))
    pg_dumpall(binaries, dsn, tmp_path / "x.globals.sql")
    done = restore(server, binaries, tmp_path / "x.sql")
    assert [(one.code, one.where) for one in done.differences] == [("extension-missing", "never_heard_of")]


def test_a_server_that_is_killed_in_the_middle(make_database, own, binaries, passable):
    dsn = make_database(size_mb=8)
    taken = take_backup(dsn, passable, binaries)
    scratch, cluster = own()

    def kill_when_restoring():
        for _ in range(1000):
            try:
                with psycopg.connect(cluster.dsn("template1"), autocommit=True) as connection:
                    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
                    if connection.execute(query).fetchone()[0]:
                        os.kill(cluster.pid(), signal.SIGKILL)
                        return
            except psycopg.Error:
                pass
            time.sleep(0.002)

    killer = threading.Thread(target=kill_when_restoring)
    killer.start()
    done = restore_backup(taken, Restoring(scratch, cluster, binaries, deadline_s=60))
    killer.join()
    assert [one.code for one in done.differences] == ["scratch-server-died"]
    assert not done.usable


def test_a_restore_that_takes_too_long_is_ended(dsn, server, binaries, tmp_path):
    path = pg_dump(binaries, dsn, tmp_path / "shop.dump", "--format=custom")
    pg_dumpall(binaries, dsn, tmp_path / "shop.globals.sql")
    scratch, cluster = server
    with connect(cluster.dsn("template1"), read_only=False) as connection:
        connection.execute("DROP DATABASE IF EXISTS restore_test")
    backup = open_backup(path, binaries)
    slow = Restoring(scratch, cluster, binaries, deadline_s=0.02)
    done = restore_backup(backup, slow)
    assert "restore-too-slow" in [one.code for one in done.differences]


@pytest.mark.parametrize("profile", ["verify", "rta"])
def test_the_profiles_are_what_they_say(profile, passable, binaries):
    scratch = make(passable / profile, "token")
    try:
        cluster = provision(scratch, binaries, profile=profile, jobs=2, deadline_s=60)
        with connect(cluster.dsn("postgres")) as connection:
            durable = [connection.execute(f"SHOW {name}").fetchone()[0] for name in ("fsync", "full_page_writes")]
            assert durable == (["off", "off"] if profile == "verify" else ["on", "on"])
            assert connection.execute("SHOW archive_mode").fetchone() == ("off",)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
    finally:
        remove(scratch.folder, "token")


def test_a_newer_version_words_definitions_anew_and_that_is_no_difference(dsn, facts, binaries, passable, tmp_path):
    try:
        newer = find_binaries(binaries.major + 1)
    except Missing as missing:
        pytest.skip(str(missing))
    taken = take_backup(dsn, tmp_path, newer)
    scratch = make(passable / "newer", "token")
    try:
        cluster = provision(scratch, newer, profile="verify", jobs=2, deadline_s=60)
        done = restore_backup(taken, Restoring(scratch, cluster, newer))
        assert done.differences == []
        assert verify(taken, Live(dsn, cluster.dsn(done.database), bootstrap="postgres")).differences == []
    finally:
        remove(scratch.folder, "token")


def test_other_words_for_the_same_are_no_difference(dsn, server, binaries, tmp_path):
    taken = take_backup(dsn, tmp_path, binaries)
    done = restore(server, binaries, taken.path)
    structure = taken.manifest["facts"]["structure"]
    view = structure["views"]["clinic.open_appointment"]
    view["definition"] = view["definition"].replace("appointment.id,", "(appointment.id) AS id,")
    policy = structure["policies"]["clinic.patient.tenant_only"]
    policy["using"] = f"(({policy['using']}))"
    column = structure["columns"]["clinic.provider.specialty"]
    column["default"] = "CAST('general' AS text)"
    live = Live(dsn, server[1].dsn(done.database), bootstrap="postgres")
    assert verify(taken, live).differences == []
    view["definition"] = view["definition"].replace("starts_at", "ends_at AS starts_at")
    policy["using"] = "(true)"
    differing = {"policy-differs", "row-security-behaviour-differs", "view-differs"}
    assert {one.code for one in verify(taken, live).differences} == differing


def test_a_dump_of_what_postgres_owns_needs_no_roles(binaries, lab, own, tmp_path):
    server = psycopg.connect(lab["server"]["dsn"], autocommit=True)
    with server:
        server.execute("CREATE DATABASE plain_test OWNER postgres")
    dsn = psycopg.conninfo.make_conninfo(lab["server"]["dsn"], dbname="plain_test")
    with connect(dsn, read_only=False) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.plain (id int)")
    path = pg_dump(binaries, dsn, tmp_path / "plain.dump", "--format=custom")
    restored = restore(own(), binaries, path, database="plain_test")
    assert (restored.usable, restored.differences) == (True, [])
