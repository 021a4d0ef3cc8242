"""A server with a heartbeat whose base backups and WAL lie in folders, and copies of these to break."""

import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from chaoslab.postgres.physical.archiving import archive_command
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.physical.standin import SETTINGS, Likeness, StandIn, Writers
from chaoslab.postgres.physical.writers import TABLES
from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give

DATABASE = "clinic"
SEGMENT_BYTES = 2**20
FILL = """
CREATE SCHEMA clinic;
CREATE TABLE clinic.visit (id bigint PRIMARY KEY, note text NOT NULL);
CREATE UNLOGGED TABLE clinic.session (id bigint);
INSERT INTO clinic.visit SELECT n, 'visit number ' || n FROM generate_series(1, 2000) n;
INSERT INTO clinic.session VALUES (1);
CREATE TABLE clinic.invoice (id bigint PRIMARY KEY, amount numeric);
INSERT INTO clinic.invoice SELECT n, n * 1.5 FROM generate_series(1, 1000) n;
"""


def wait_until(true, within_s=60, what="it"):
    """Wait for a condition."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, f"{what} did not come about"
        time.sleep(0.02)


class Repository:
    """Two folders."""

    def __init__(self, folder):
        self.folder = folder
        self.base, self.archive = folder / "base", folder / "archive"

    @property
    def variables(self):
        return (f"backups={self.base}", f"wal={self.archive}", "disaster=declared", "repository=folder")

    def segments(self):
        return sorted(path.name for path in self.archive.iterdir() if len(path.name) == 24)

    def bytes_of_all(self):
        return {str(path): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}


class FolderLab:
    """The server; `early` and `late` are instants between commits, `late_lsn` is the place of the later one."""

    def __init__(self, folder, binaries):
        self.folder, self.binaries = folder, binaries
        self.repository = Repository(folder)
        self.cluster = None

    @property
    def dsn(self):
        return self.cluster.dsn(DATABASE)

    def fill(self):
        folder = self.folder
        folder.mkdir()
        folder.chmod(0o711)
        for name in ("archive", "spaces"):
            (folder / name).mkdir(mode=0o700)
            give(folder / name, server_user())
        settings = {**SETTINGS, "archive_command": archive_command(folder / "archive"), "archive_timeout": "1s"}
        self.cluster = Cluster.create(
            folder / "standin", self.binaries, superuser="postgres", settings=settings, checksums=True, wal_segment_mb=1
        )
        self.cluster.start()
        self.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
        self.execute(f"CREATE TABLESPACE attic LOCATION '{folder}/spaces'", database="postgres")
        self.execute(FILL)
        self.execute("CREATE TABLE clinic.archived TABLESPACE attic AS SELECT 1 AS n")
        self.execute(TABLES)
        writers = Writers(StandIn(folder, DATABASE), Likeness(source="", beat_every_s=0.02, work_every_s=0.02))
        try:
            self.base_backup("first", "plain")
            self.early, _ = self.some_commits()
            self.base_backup("second", "tar")
            self.late, self.late_lsn = self.some_commits()
            self.execute("DELETE FROM clinic.visit")
            self.some_commits()
        finally:
            writers.stop()
        self.switch()
        return self

    def base_backup(self, name, form):
        target = self.repository.base / name
        take_base_backup(self.cluster, target, self.binaries, form=form, deadline_s=120, watch=lambda: None)

    def some_commits(self):
        """Let a few segments be archived, and return an instant in the middle of them."""
        self.switch()
        self.beats(5)
        instant = self.execute(
            "SELECT extract(epoch FROM clock_timestamp())::float8, pg_current_wal_insert_lsn()::text"
        )
        self.beats(5)
        self.switch()
        return instant

    def beats(self, count):
        newest = "SELECT coalesce(max(id), 0) FROM chaoslab.heartbeat"
        begin = self.execute(newest)[0]
        wait_until(lambda: self.execute(newest)[0] >= begin + count, what="the heartbeat")

    def switch(self):
        """Have the segment archived that is being written."""
        name, _ = self.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_switch_wal()")
        wait_until(lambda: (self.repository.archive / name).exists(), what=f"the segment {name}")

    def execute(self, sql, database=DATABASE):
        with psycopg.connect(self.cluster.dsn(database), autocommit=True) as connection:
            done = connection.execute(sql)
            return done.fetchone() if done.description else None

    def copy(self, folder):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        copied = Repository(folder)
        for name in ("base", "archive"):
            subprocess.run(["cp", "-a", self.folder / name, folder / name], check=True)
        return copied

    def stop(self):
        if self.cluster is not None:
            self.cluster.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


def flip(path, at):
    """Flip the bits of one byte."""
    path = Path(path)
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
