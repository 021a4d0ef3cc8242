"""`chaoslab backup` into a folder: what it takes, what it says, and that PostgreSQL alone can bring it back."""

import datetime
import os
import subprocess

import psycopg
import pytest
from backup_runs import age, backup, finished, start, whole_sets

from chaoslab.backup.store import Store
from chaoslab.cli.main import main
from chaoslab.postgres.logical.archive import damage, open_backup
from chaoslab.postgres.logical.manifest import read_manifest
from chaoslab.postgres.servers.cluster import Cluster

pytestmark = pytest.mark.postgres
NAMES = {"shop_orders", "shop_users", "billing"}


@pytest.fixture(autouse=True)
def source(server, monkeypatch):
    """The server, named as a nightly job names it: by the environment."""
    monkeypatch.setenv("CHAOSLAB_BACKUP_SOURCE", server.dsn())
    return server


def counts(cluster, database):
    with psycopg.connect(cluster.dsn(database)) as connection:
        names = "SELECT relid::regclass::text FROM pg_stat_user_tables ORDER BY 1"
        tables = [row[0] for row in connection.execute(names)]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


def test_every_database_is_there_with_its_manifest(tmp_path, capsys, source, binaries):
    code, said = backup(capsys, "--to", tmp_path / "store")
    assert (code, said["outcome"], said["failures"]) == (0, "ok", [])
    assert {one["database"] for one in said["set"]["databases"]} == NAMES
    (stamp,) = whole_sets(tmp_path / "store")
    assert stamp == said["set"]["stamp"]
    folder = tmp_path / "store" / stamp
    assert len(list(folder.glob("*.globals.sql"))) == 1
    for one in said["set"]["databases"]:
        found = open_backup(folder / one["dump"], binaries)
        assert damage(found, binaries, deadline_s=60, watch=lambda: None) == []
        assert found.globals_path == next(folder.glob("*.globals.sql"))
        assert found.manifest["lsn"] == one["lsn"]
        assert found.manifest["facts"]["content"]
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0


def test_postgresql_alone_brings_it_back(tmp_path, capsys, source, binaries, passable_root):
    _, said = backup(capsys, "--to", tmp_path / "store")
    folder = tmp_path / "store" / said["set"]["stamp"]
    other = Cluster.create(passable_root / "other", binaries)
    other.start()
    try:
        (roles,) = folder.glob("*.globals.sql")
        psql = [binaries.program("psql"), "-q", "-d", other.dsn(), "-f", roles]
        subprocess.run(psql, check=True, capture_output=True, timeout=60)
        for one in said["set"]["databases"]:
            restore = [binaries.program("pg_restore"), "--create", "-d", other.dsn(), "-j", "2", folder / one["dump"]]
            done = subprocess.run(restore, check=False, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (0, "")
            assert counts(other, one["database"]) == counts(source, one["database"])
            assert sum(counts(other, one["database"]).values()) > 0
    finally:
        other.destroy()


def test_directories(tmp_path, capsys, binaries):
    code, said = backup(capsys, "--to", tmp_path, "--format", "directory", "--databases", "billing")
    assert code == 0
    (stamp,) = whole_sets(tmp_path)
    (one,) = said["set"]["databases"]
    assert (tmp_path / stamp / one["dump"] / "toc.dat").exists()
    assert (
        damage(open_backup(tmp_path / stamp / one["dump"], binaries), binaries, deadline_s=60, watch=lambda: None) == []
    )


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--databases", "shop_*"], {"shop_orders", "shop_users"}),
        (["--databases", "billing,shop_users"], {"billing", "shop_users"}),
        (["--exclude", "shop_*"], {"billing"}),
    ],
)
def test_some_of_them(arguments, names, tmp_path, capsys):
    code, said = backup(capsys, "--to", tmp_path, *arguments)
    assert code == 0
    assert {one["database"] for one in said["set"]["databases"]} == names


def test_one_bad_database_leaves_the_others(tmp_path, capsys, source):
    with psycopg.connect(source.dsn(), autocommit=True) as connection:
        connection.execute("ALTER DATABASE billing ALLOW_CONNECTIONS false")
        try:
            code, said = backup(capsys, "--to", tmp_path, "--databases", "shop_*,billing")
        finally:
            connection.execute("ALTER DATABASE billing ALLOW_CONNECTIONS true")
    assert (code, said["exit_code"], said["outcome"]) == (10, 10, "failed")
    outcomes = {one["database"]: one["outcome"] for one in said["set"]["databases"]}
    assert outcomes == {"shop_orders": "ok", "shop_users": "ok", "billing": "failed"}
    (failure,) = said["failures"]
    assert "billing" in failure
    assert "not currently accepting connections" in failure
    assert len(whole_sets(tmp_path)) == 1


GRANTS = """
CREATE ROLE dumper LOGIN BYPASSRLS PASSWORD 'canary-word' IN ROLE pg_read_all_data;
DO $$ BEGIN
    PERFORM 1; EXECUTE (SELECT string_agg(format('GRANT SELECT ON LARGE OBJECT %s TO dumper', oid), ';')
        FROM pg_largeobject_metadata);
END $$
"""


def test_a_role_that_can_only_read_is_enough(tmp_path, capsys, source, monkeypatch):
    with psycopg.connect(source.dsn("billing"), autocommit=True) as connection:
        connection.execute(GRANTS)
        try:
            monkeypatch.setenv("CHAOSLAB_BACKUP_SOURCE", source.dsn(user="dumper", password="canary-word"))
            code, said = backup(capsys, "--to", tmp_path, "--databases", "billing")
        finally:
            connection.execute("DROP OWNED BY dumper; DROP ROLE dumper")
    assert (code, said["failures"]) == (0, [])
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"canary-word" in path.read_bytes()]


def test_a_name_that_is_not_there_fails_and_is_told(tmp_path, capsys):
    code, said = backup(capsys, "--to", tmp_path, "--databases", "billing,nosuch,none_*")
    assert code == 10
    assert len(said["failures"]) == 2
    assert "no such database" in str(said["failures"])
    assert len(whole_sets(tmp_path)) == 1


def test_a_server_that_is_down_leaves_the_others(tmp_path, capsys, source, monkeypatch):
    monkeypatch.setenv("CHAOSLAB_BACKUP_SOURCE", f"postgresql://x@127.0.0.1:1/y;{source.dsn()}")
    code, said = backup(capsys, "--to", tmp_path)
    assert code == 10
    assert {one["server"]: one["outcome"] for one in said["set"]["servers"]} == {
        "127.0.0.1:1": "failed",
        f"127.0.0.1:{source.port}": "ok",
    }
    (stamp,) = whole_sets(tmp_path)
    assert {path.name for path in (tmp_path / stamp).iterdir()} == {f"127_0_0_1_{source.port}", "set.json"}


def test_nothing_at_all_is_no_set(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CHAOSLAB_BACKUP_SOURCE", "postgresql://x@127.0.0.1:1/y")
    code, said = backup(capsys, "--to", tmp_path)
    assert (code, said["set"]) == (10, None)
    assert [path.name for path in tmp_path.iterdir()] == [".chaoslab-backup.lock"]


def test_two_at_once(tmp_path):
    store = Store(tmp_path)
    with store.alone():
        code, said = finished(start("--to", tmp_path))
    assert code == 12
    assert said.startswith("chaoslab: refused by lock: another run (pid ")
    assert len(said.splitlines()) == 1
    assert whole_sets(tmp_path) == []


def test_local_retention(tmp_path, capsys):
    backup(capsys, "--to", tmp_path, "--databases", "billing")
    old = age(tmp_path, whole_sets(tmp_path)[0], datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=8))
    (tmp_path / "notes.txt").write_text("not ours")
    code, said = backup(capsys, "--to", tmp_path, "--databases", "shop_users")
    assert (code, said["removed"]["local"]) == (0, [])
    assert said["kept"]["local"][old] == [f"last good of {said['set']['servers'][0]['server']}/billing"]
    code, said = backup(capsys, "--to", tmp_path)
    assert (code, said["removed"]["local"]) == (0, [old])
    assert len(whole_sets(tmp_path)) == 2
    assert (tmp_path / "notes.txt").exists()


def test_no_prune_deletes_nothing(tmp_path, capsys):
    backup(capsys, "--to", tmp_path, "--databases", "billing")
    old = age(tmp_path, whole_sets(tmp_path)[0], datetime.date(2020, 1, 1))
    code, said = backup(capsys, "--to", tmp_path, "--databases", "billing", "--no-prune")
    assert (code, said["removed"]["local"]) == (0, [])
    assert old in whole_sets(tmp_path)


def test_a_dry_run_touches_nothing(tmp_path, capsys):
    code, said = backup(capsys, "--to", tmp_path / "store", "--dry-run")
    assert code == 0
    assert set(said["would_dump"]) == NAMES
    assert said["left_out"]["template0"] == "it is a template"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_the_name_of_a_set_that_is_none_is_told_and_kept(tmp_path, capsys):
    backup(capsys, "--to", tmp_path, "--databases", "billing")
    old = age(tmp_path, whole_sets(tmp_path)[0], datetime.date(2020, 1, 1))
    (tmp_path / old / "set.json").write_text("{}")
    code, said = backup(capsys, "--to", tmp_path, "--databases", "billing")
    assert code == 10
    assert "cannot be understood" in said["failures"][0]
    assert (tmp_path / old).exists()


def test_what_has_the_name_of_a_set_json_and_never_ends_is_told_and_kept(tmp_path, capsys):
    for stamp in ("20200101T000000Z", "20200102T000000Z"):
        (tmp_path / stamp).mkdir()
    (tmp_path / "20200101T000000Z" / "set.json").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "20200102T000000Z" / "set.json")
    (tmp_path / "itself").symlink_to(".")
    code, said = backup(capsys, "--to", tmp_path, "--databases", "billing")
    assert code == 10
    assert [line.endswith("is no file") for line in said["failures"]] == [True, True]
    assert [one.stamp for one in Store(tmp_path).listing().sets] == [said["set"]["stamp"]]


def test_metrics(tmp_path, capsys):
    code, said = backup(capsys, "--to", tmp_path / "store", "--metrics", tmp_path / "backup.prom")
    assert code == 0
    text = (tmp_path / "backup.prom").read_text()
    assert "chaoslab_backup_run_ok 1\n" in text
    server = said["set"]["servers"][0]["server"]
    assert f'chaoslab_backup_database_ok{{server="{server}",database="billing"}} 1\n' in text


def test_people_get_a_line_a_database(tmp_path, capsys):
    assert main(["backup", "--to", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert all(any(name in line for line in told.err.splitlines()) for name in NAMES)
    assert "3 databases" in told.out


def test_the_manifest_knows_what_was_in_the_snapshot(tmp_path, capsys, source):
    _, said = backup(capsys, "--to", tmp_path, "--databases", "billing")
    (one,) = said["set"]["databases"]
    facts = read_manifest(tmp_path / said["set"]["stamp"] / one["dump"])["facts"]
    there = counts(source, "billing")
    assert facts["content"]
    assert {name: one["rows"] for name, one in facts["content"].items()}.items() <= there.items()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--source", "postgresql://user:canary@host/db"],
        ["--source", "host=h password=canary"],
        ["--keep-local", "7"],
        ["--keep-weekly", "12h"],
        ["--part-size", "1MiB"],
        ["--s3", "nowhere"],
        ["--no-dump"],
        ["--source-file", "/nowhere/at/all"],
        ["--databases", " "],
        ["--deadline", "soon"],
        ["--to", "/dev/null/x"],
        ["--to", ""],
        ["--s3", ""],
        ["--source-file", "/dev/zero"],
    ],
)
def test_what_makes_no_sense(arguments, capsys, tmp_path):
    to = [] if "--to" in arguments else ["--to", str(tmp_path / "store")]
    assert main(["backup", *to, *arguments]) == 2
    said = capsys.readouterr()
    assert "canary" not in said.err + said.out
    assert len(said.err.splitlines()) == 1
    assert not list((tmp_path).rglob("*.partial"))
