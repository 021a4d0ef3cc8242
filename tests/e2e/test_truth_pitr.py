"""A stopwatch outside of the process says the same as the report of a recovery to a point in time.

Declared: the source's own log says when it was asked for the last time. On a stand-in: the kernel tells the stopwatch
when the server's process died, or the stand-in's log when its table was dropped. What was acknowledged is read from
outside too. The programs and the service's own check have known pauses in them.
"""

import os
import re
import select
import sys
import time
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from onlooker import Onlooker
from stopwatch import GAP_S, Writer, agree, checking, disaster_at, figures, reported, run, slow_programs

from chaoslab.postgres.physical.archiving import archive_command
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give

PATIENCE_S = 120.0


class Origin:
    """A server that archives its WAL, and says in its log what it is asked."""

    def __init__(self, folder, binaries):
        self.folder, self.binaries = folder, binaries
        self.archive = folder / "archive"
        for path in (folder, self.archive):
            path.mkdir()
            path.chmod(0o711)
            give(path, server_user())
        settings = {
            "log_statement": "all",
            "log_line_prefix": "%n ",
            "fsync": "off",
            "wal_level": "replica",
            "archive_mode": "on",
            "archive_command": archive_command(self.archive),
        }
        self.cluster = Cluster.create(folder / "server", binaries, settings=settings, wal_segment_mb=1)

    def sql(self, statement):
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchone() if done.description else None

    def fill(self):
        self.cluster.start()
        self.sql("CREATE SCHEMA chaoslab")
        self.sql("CREATE TABLE chaoslab.heartbeat (id bigint PRIMARY KEY, at timestamptz NOT NULL)")
        self.sql("CREATE TABLE thing AS SELECT n AS id, md5(n::text) AS text FROM generate_series(1, 9999) n")
        return self

    def backed_up(self):
        base = self.folder / "base"
        if not base.exists():
            take_base_backup(self.cluster, base / "first", self.binaries, deadline_s=PATIENCE_S, watch=lambda: None)
        return base

    def switch(self):
        name, _ = self.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_switch_wal()")
        await_that((self.archive / name).exists)


def await_that(true):
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def origin(binaries, passable_root):
    made = Origin(passable_root / "truth-pitr", binaries)
    try:
        yield made.fill()
    finally:
        made.cluster.destroy()


@pytest.fixture
def programs(passable_root, binaries, tmp_path):
    """PostgreSQL's programs, with a start of the server that takes its time."""
    return slow_programs(passable_root / f"programs-{tmp_path.name}", binaries, "pg_ctl")


@pytest.fixture
def scratch(passable_root, tmp_path):
    folder = passable_root / f"scratch-{tmp_path.name}"
    folder.mkdir(mode=0o711)
    return folder


def test_a_server_of_ones_own_that_is_declared_lost(lonely, origin, programs, scratch, tmp_path):
    def measure(number):
        acks, notes = tmp_path / f"acks-{number}", tmp_path / f"notes-{number}.json"
        with Writer(origin.cluster.dsn(), acks) as writer:
            await_that(lambda: len(writer.acknowledged) > 20)
            base = origin.backed_up()
            writer.may_go_on.clear()
            time.sleep(GAP_S)
            origin.switch()
            writer.may_go_on.set()
            log_from = origin.cluster.log.stat().st_size
            values = {
                "source": origin.cluster.dsn(),
                "disaster": "declared",
                "backups": str(base),
                "wal": str(origin.archive),
                "bin_dir": str(programs),
                "scratch_dir": str(scratch),
                "service_check": checking(tmp_path, notes),
                "heartbeat_acks": str(acks),
            }
            report, seen = run(lonely, "postgres-pitr", values, notes)
        return reported(report), figures(disaster_at(origin.cluster, log_from), writer.acknowledged, seen)

    _, stopwatch = agree(measure)
    assert stopwatch["lost at most"] > GAP_S
    assert list(scratch.iterdir()) == []


class FolderWatcher(Onlooker):
    """Watches a drill's scratch folder: when its stand-in was struck, and which of its beats were acknowledged."""

    def __init__(self, folder, instant_of):
        self._folder, self._instant_of = folder, instant_of
        self.disaster, self.acknowledged = 0.0, {}
        super().__init__()

    def look(self):
        beats = None
        while beats is None and not self.over.wait(0.01):
            beats = next(iter(self._folder.glob("*/beats.acks")), None)
        if beats is None:
            return
        with beats.open() as acks:  # it can be read to its end, also when the drill has removed it
            self.disaster = self._instant_of(beats.parent / "standin", self.over)
            self.over.wait()
            lines = [line.split() for line in acks.read().splitlines()]
        self.acknowledged = {int(line[1]): float(line[3]) for line in lines}


def when_it_died(server, over):
    """Return when the kernel told that the server's first process was gone."""
    pid = int((server / "data" / "postmaster.pid").read_text().splitlines()[0])
    handle = os.pidfd_open(pid)
    try:
        while not over.is_set():
            if select.select([handle], [], [], 0.2)[0]:
                return time.monotonic()
    finally:
        os.close(handle)
    return 0.0


def when_a_table_was_dropped(server, over):
    """Have the stand-in log what changes its tables, and return when it was told to drop one."""
    cluster = Cluster.open(server)
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        for setting in ("log_statement = 'ddl'", "log_line_prefix = '%n '"):
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
    with cluster.log.open() as log:
        text = ""
        while not over.wait(0.05):
            text += log.read()
            found = re.search(r"^(\d+\.\d+) .*statement: DROP TABLE .*\n", text, re.M)
            if found:
                return float(found[1]) - (time.time() - time.monotonic())
    return 0.0


def stand_in(disaster, instant_of, lonely, origin, programs, scratch, folder):
    """Return how to measure ours and the stopwatch's figures of a drill on a stand-in."""

    def measure(number):
        notes = folder / f"notes-{number}.json"
        values = {
            "source": origin.cluster.dsn(),
            "disaster": disaster,
            "bin_dir": str(programs),
            "scratch_dir": str(scratch),
            "service_check": checking(folder, notes),
            "wal_segment": "1MiB",
            "archive_timeout": "3s",
        }
        with FolderWatcher(scratch, instant_of) as onlooker:
            report, seen = run(lonely, "postgres-pitr", values, notes)
        assert list(scratch.iterdir()) == []
        return reported(report), figures(onlooker.disaster, onlooker.acknowledged, seen)

    return measure


def test_a_stand_in_whose_server_is_killed(lonely, origin, programs, scratch, tmp_path):
    agree(stand_in("kill-server", when_it_died, lonely, origin, programs, scratch, tmp_path))


def test_a_stand_in_whose_table_is_dropped(lonely, origin, programs, scratch, tmp_path):
    """The drop lasts a while: what could have been lost is counted to its end, and the stopwatch's to its beginning."""
    measure = stand_in("drop-table", when_a_table_was_dropped, lonely, origin, programs, scratch, tmp_path)
    ours, stopwatch = agree(measure, "rto", "lost at least")
    assert stopwatch["lost at most"] <= ours["lost at most"] + 0.05
