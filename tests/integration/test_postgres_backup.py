"""A dump and its facts: one snapshot, whole files or none, nothing of the source changed."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest

from chaoslab.lab.audit import AUDIT_RULE
from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.connect import ConnectFailed, connect
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.logical.archive import damage, open_backup
from chaoslab.postgres.logical.backup import BackupFailed, Wish, take_backup
from chaoslab.postgres.logical.restore import Restoring, restore_backup
from chaoslab.postgres.programs.tools import TookTooLong
from chaoslab.postgres.proofs.audit import AuditRule
from chaoslab.postgres.servers.ports import free_port
from chaoslab.postgres.servers.scratch import make, provision, remove
from chaoslab.postgres.snapshot import CannotRead

pytestmark = pytest.mark.postgres
AUDIT = AuditRule.parse(AUDIT_RULE)


@pytest.fixture(scope="module")
def server(binaries, passable_root):
    """A scratch server to restore into."""
    scratch = make(passable_root / "restores", "token")
    yield scratch, provision(scratch, binaries, profile="verify", jobs=2, deadline_s=60)
    remove(scratch.folder, "token")


def restored(server, binaries, backup):
    """Restore a dump and return what differs from the facts in its manifest."""
    scratch, cluster = server
    with connect(cluster.dsn("template1"), read_only=False) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {backup.database}")
    done = restore_backup(backup, Restoring(scratch, cluster, binaries))
    facts = backup.manifest["facts"]
    found = collect_facts(cluster.dsn(done.database), bootstrap=facts["database"]["bootstrap_role"], audit=AUDIT)
    return done.differences + compare(facts, found)


def keep_changing(dsn, stop):
    """Change everything that can change while a dump is made."""
    with connect(dsn, read_only=False) as connection:
        number = 0
        while not stop.is_set():
            number += 1
            connection.execute("INSERT INTO clinic.import_line VALUES (%s, now())", [f"busy {number}"])
            connection.execute("UPDATE clinic.provider SET rating = 1 + random() * 4 WHERE id = %s", [1 + number % 40])
            connection.execute("SELECT nextval('clinic.patient_id_seq')")
            connection.execute(
                "INSERT INTO audit.event (at, actor, action, entity) VALUES (now(), 'busy', 'read', 'patient/1')"
            )
            connection.execute("SELECT lo_put((SELECT min(content) FROM clinic.document), 0, %s)", [b"%d" % number])
    stop.changes = number


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_a_source_that_keeps_changing_gives_no_false_alarm(form, make_database, server, binaries, tmp_path):
    dsn, stop = make_database(size_mb=1), threading.Event()
    writer = threading.Thread(target=keep_changing, args=(dsn, stop))
    writer.start()
    try:
        time.sleep(0.2)
        backup = take_backup(dsn, tmp_path, binaries, Wish(format=form, audit=AUDIT))
    finally:
        stop.set()
        writer.join()
    assert stop.changes > 20
    facts = backup.manifest["facts"]
    moved = facts["sequences_after"]["clinic.patient_id_seq"] != facts["sequences"]["clinic.patient_id_seq"]
    assert moved, "the dump was made while nothing changed: the test proves nothing"
    assert compare(facts, collect_facts(dsn)) != []
    assert restored(server, binaries, backup) == []


def test_the_manifest_says_what_was_dumped(make_database, binaries, tmp_path):
    dsn = make_database(size_mb=1)
    backup = take_backup(dsn, tmp_path, binaries)
    manifest = json.loads((tmp_path / f"{backup.path.stem}.manifest.json").read_text())
    assert manifest["database"] == backup.database
    assert {Path(entry["path"]).name for entry in manifest["files"]} == {backup.path.name, backup.globals_path.name}
    assert manifest["lsn"].count("/") == 1
    assert manifest["taken_at"].endswith("Z")
    assert damage(backup, binaries, deadline_s=60, watch=lambda: None) == []
    assert "PASSWORD" not in backup.globals_path.read_text()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]


def test_nothing_of_the_source_is_changed(make_database, binaries, tmp_path):
    dsn = make_database(size_mb=1)
    query = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    with connect(dsn) as connection:
        before = connection.execute(query).fetchone()
        structure = collect_facts(dsn, level="structure")["structure"]
        xid = connection.execute("SELECT txid_current_if_assigned()").fetchone()
        take_backup(dsn, tmp_path, binaries)
        assert connection.execute(query).fetchone() == before
        assert collect_facts(dsn, level="structure")["structure"] == structure
        assert connection.execute("SELECT txid_current_if_assigned()").fetchone() == xid
        assert connection.execute("SELECT count(*) FROM pg_replication_slots").fetchone() == (0,)


def test_the_password_is_in_no_argument(lab, binaries, tmp_path):
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if words[0].endswith((b"pg_dump", b"pg_dumpall")):
                    seen.append(b" ".join(words).decode())

    dsn = lab["server"]["dsn"].rpartition("/")[0] + "/" + lab["postgres"][0]["name"]
    secret = psycopg.conninfo.conninfo_to_dict(dsn)["password"]
    watcher = threading.Thread(target=look)
    watcher.start()
    take_backup(dsn, tmp_path, binaries)
    stop.set()
    watcher.join()
    assert seen
    assert not [words for words in seen if secret in words]


def left_over(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_source_that_is_not_there_leaves_nothing(binaries, tmp_path):
    with pytest.raises(ConnectFailed):
        take_backup(f"postgresql://me@127.0.0.1:{free_port()}/shop", tmp_path / "new", binaries)
    assert not (tmp_path / "new").exists()


def test_a_table_that_may_not_be_read_leaves_nothing(lab, make_database, binaries, tmp_path):
    dsn = make_database(size_mb=1)
    with connect(dsn, read_only=False) as admin:
        admin.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")
    try:
        with pytest.raises((BackupFailed, CannotRead)) as caught:
            take_backup(psycopg.conninfo.make_conninfo(dsn, user="weak", password="weak"), tmp_path, binaries)
        assert "\n" not in str(caught.value)
        assert left_over(tmp_path) == []
    finally:
        with connect(dsn, read_only=False) as admin:
            admin.execute("DROP ROLE weak")


def test_a_role_that_sees_half_of_the_rows_is_refused(make_database, binaries, tmp_path):
    dsn = make_database(size_mb=1)
    with connect(dsn, read_only=False) as admin:
        admin.execute("CREATE ROLE half LOGIN PASSWORD 'half' IN ROLE pg_read_all_data")
    try:
        with pytest.raises((BackupFailed, CannotRead), match="row-level security|row security"):
            take_backup(psycopg.conninfo.make_conninfo(dsn, user="half", password="half"), tmp_path, binaries)
        assert left_over(tmp_path) == []
    finally:
        with connect(dsn, read_only=False) as admin:
            admin.execute("DROP ROLE half")


def test_a_table_that_somebody_holds_does_not_hang_the_dump(make_database, binaries, tmp_path):
    dsn = make_database(size_mb=1)
    with connect(dsn, read_only=False) as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE clinic.patient IN ACCESS EXCLUSIVE MODE")
        begun_s = time.monotonic()
        with pytest.raises(TookTooLong):
            take_backup(dsn, tmp_path, binaries, Wish(deadline_s=1.5))
        assert time.monotonic() - begun_s < 60
        blocker.execute("ROLLBACK")
    assert left_over(tmp_path) == []


def test_a_stop_is_heeded_at_once(lab, binaries, tmp_path):
    class Stop(Exception):
        pass

    calls = []

    def watch():
        calls.append(1)
        if len(calls) > 2:
            raise Stop

    with pytest.raises(Stop):
        take_backup(lab["postgres"][0]["dsn"], tmp_path, binaries, Wish(watch=watch))
    assert left_over(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root only")
@pytest.mark.parametrize("size", ["64k", "600k"])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(size, lab, binaries, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", small], check=True)
    try:
        for form in ("custom", "directory"):
            with pytest.raises(BackupFailed) as caught:
                take_backup(lab["postgres"][0]["dsn"], small, binaries, Wish(format=form, compression=0))
            assert "is full" in str(caught.value)
            assert "\n" not in str(caught.value)
            assert left_over(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_an_opened_dump_knows_what_it_is(lab, binaries, tmp_path):
    taken = take_backup(lab["postgres"][0]["dsn"], tmp_path, binaries)
    (tmp_path / f"{taken.path.stem}.manifest.json").unlink()
    found = open_backup(taken.path, binaries)
    assert (found.form, found.database, found.manifest) == ("custom", lab["postgres"][0]["name"], None)
    assert found.server_major == binaries.major
    assert found.globals_path == taken.globals_path
