"""The nightly look at base backups and archived WAL of a real server."""

import os
import shutil
import subprocess
import time

import psycopg
import pytest
from nights import look, now, script

from chaoslab.postgres.servers.cluster import Cluster

HOUR_S = 3600
SETTINGS = {"fsync": "off", "archive_mode": "on", "wal_level": "replica", "max_wal_senders": "4"}


class Archived:
    """A server that archives its WAL, and base backups of it."""

    def __init__(self, root, binaries):
        self.root, self.binaries = root, binaries
        self.wal, self.bases = root / "wal", root / "bases"
        settings = {**SETTINGS, "archive_command": f"cp %p {self.wal}/%f"}
        self.cluster = Cluster.create(root / "server", binaries, settings=settings, wal_segment_mb=1)

    def begin(self):
        for folder in (self.wal, self.bases):
            folder.mkdir()
            folder.chmod(0o777)
        self.cluster.start()
        self.switch()
        for label in ("monday", "tuesday"):
            command = [self.binaries.program("pg_basebackup"), "-D", self.bases / label, "-X", "none", "-c", "fast"]
            subprocess.run([*command, "-d", self.cluster.dsn()], check=True, capture_output=True)
            self.switch(4)

    def execute(self, sql):
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            done = connection.execute(sql)
            return done.fetchone() if done.description else None

    def switch(self, times=1):
        """Write something, end the segment, and wait until it is archived."""
        for _ in range(times):
            self.execute("SELECT pg_logical_emit_message(false, 'test', 'x')")
            [name] = self.execute("SELECT pg_walfile_name(pg_switch_wal())")
            deadline = time.monotonic() + 120
            while self.last_archived() < name:
                assert time.monotonic() < deadline, name
                time.sleep(0.02)

    def last_archived(self):
        return self.execute("SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver")[0]


@pytest.fixture(scope="module")
def archived(binaries, passable_root):
    found = Archived(passable_root / "archived", binaries)
    try:
        found.begin()
        yield found
    finally:
        found.cluster.destroy()


@pytest.fixture
def wal(archived, tmp_path):
    """A copy of the archive, to break."""
    return shutil.copytree(archived.wal, tmp_path / "wal")


@pytest.fixture
def bases(archived, tmp_path):
    """A copy of the base backups, to break."""
    return shutil.copytree(archived.bases, tmp_path / "bases")


def segments(wal):
    return sorted(path for path in wal.iterdir() if len(path.name) == 24)


def test_an_archive_that_is_well(tmp_path, archived, wal, bases):
    looked = look(tmp_path, wal=wal, base_backups=bases, rpo="15m", source=archived.cluster.dsn())
    assert looked.outcome == "passed", looked
    assert "2 base backups" in looked.message("recovery-window")
    assert "archive-timeout-long" in looked.codes("warning")
    assert looked.record.figures["lost_s"]["value"][1] < 900


def test_dumps_are_no_loss_where_wal_leads_to_the_present(tmp_path, wal, bases):
    dumps = script(tmp_path / "dumps")
    assert look(tmp_path, dumps=dumps, rpo="15m").outcome == "failed"
    assert look(tmp_path, dumps=dumps, wal=wal, base_backups=bases, rpo="15m").outcome == "passed"


def test_an_archive_that_stopped_three_hours_ago(tmp_path, wal, bases):
    for path in wal.iterdir():
        os.utime(path, (now().timestamp() - 3 * HOUR_S,) * 2)
    looked = look(tmp_path, wal=wal, base_backups=bases, rpo="15m")
    assert looked.codes() == {"archive-stopped"}, looked
    assert "objective rpo is missed" in " ".join(looked.verdict.reasons)


def test_an_archive_with_a_gap(tmp_path, wal, bases):
    missing = segments(wal)[-3]
    missing.unlink()
    looked = look(tmp_path, wal=wal, base_backups=bases, rpo="15m")
    assert looked.findings() == {("wal-gap", missing.name)}, looked


def test_a_gap_before_the_newest_base_backup_is_a_warning(tmp_path, wal, bases):
    label = (bases / "tuesday/backup_label").read_text()
    first = label.partition("(file ")[2][:24]
    before = [path for path in segments(wal) if path.name < first][-1]
    before.unlink()
    looked = look(tmp_path, wal=wal, base_backups=bases, rpo="15m")
    assert looked.outcome == "passed", looked
    assert ("wal-gap", before.name) in looked.findings("warning")


def test_a_truncated_segment(tmp_path, wal, bases):
    cut = segments(wal)[-2]
    cut.write_bytes(cut.read_bytes()[:100_000])
    looked = look(tmp_path, wal=wal, base_backups=bases, rpo="15m")
    assert looked.findings() == {("wal-segment-truncated", cut.name)}, looked


def test_base_backups_whose_own_wal_is_gone(tmp_path, wal, bases):
    for path in segments(wal)[:-1]:
        path.unlink()
    looked = look(tmp_path, wal=wal, base_backups=bases, rpo="15m")
    assert looked.codes() == {"base-backup-unusable", "recovery-window-empty"}, looked


def test_a_base_backup_without_its_label(tmp_path, wal, bases):
    (bases / "tuesday/backup_label").unlink()
    looked = look(tmp_path, wal=wal, base_backups=bases, rpo="15m")
    assert "base-backup-unusable" in looked.codes(), looked


def test_empty_and_absent_folders(tmp_path, wal, bases):
    (tmp_path / "empty").mkdir()
    looked = look(tmp_path, wal=tmp_path / "empty", base_backups=bases)
    assert (looked.outcome, "archive-stopped" in looked.codes()) == ("failed", True), looked
    looked = look(tmp_path, wal=tmp_path / "nowhere", base_backups=bases)
    assert (looked.outcome, "backup-place-absent" in looked.codes()) == ("failed", True), looked
    looked = look(tmp_path, wal=wal, base_backups=tmp_path / "empty")
    assert looked.outcome == "failed", looked


def test_wal_alone_recovers_nothing(tmp_path, wal):
    looked = look(tmp_path, wal=wal)
    assert looked.outcome == "failed"
    assert "recovery-window-unknown" in looked.codes("warning")


def test_a_base_backup_that_is_too_old(tmp_path, wal, bases):
    looked = look(tmp_path, wal=wal, base_backups=bases, max_base_age="1ms", rpo="15m")
    assert looked.codes() == {"backup-too-old"}, looked


def test_a_server_whose_archiving_fails(tmp_path, archived, wal, bases):
    archived.execute("ALTER SYSTEM SET archive_command = 'false'")
    archived.execute("SELECT pg_reload_conf()")
    try:
        archived.execute("SELECT pg_logical_emit_message(false, 'test', 'x')")
        archived.execute("SELECT pg_switch_wal()")
        deadline = time.monotonic() + 120
        while not archived.execute("SELECT failed_count FROM pg_stat_archiver")[0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        looked = look(tmp_path, wal=wal, base_backups=bases, source=archived.cluster.dsn(), rpo="15m")
    finally:
        archived.execute("ALTER SYSTEM RESET archive_command")
        archived.execute("SELECT pg_reload_conf()")
    assert looked.codes() == {"archive-failing"}, looked


def test_a_server_that_archives_nothing(tmp_path, server):
    dumps = script(tmp_path / "dumps", databases=("shop_orders", "shop_users", "billing"))
    assert "archive-off" in look(tmp_path, dumps=dumps, source=server.dsn("billing")).codes("warning")
