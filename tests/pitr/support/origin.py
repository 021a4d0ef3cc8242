"""The server whose backups are restored: a table of words, one a stage, a tablespace, and a point to go back to."""

import threading
from contextlib import contextmanager

import psycopg
from folder_lab import wait_until

from chaoslab.postgres.recovery_point.beating import AckLog, Writer
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give

POINT = "before_the_disaster"


class Origin:
    """A small server that archives its WAL."""

    def __init__(self, folder, binaries, settings):
        self.cluster = Cluster.create(folder / "origin", binaries, checksums=True, settings={**QUICK, **settings})
        self.cluster.start()
        self.space = folder / "space"
        self.space.mkdir(mode=0o700)
        give(self.space, self.cluster.user)
        self.sql("CREATE TABLE words (id serial PRIMARY KEY, word text)")
        self.sql(f"CREATE TABLESPACE roomy LOCATION '{self.space}'")
        self.sql("CREATE TABLE far TABLESPACE roomy AS SELECT generate_series(1, 1000) AS i")

    def sql(self, statement, *values):
        """Run a statement and return its rows."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def say(self, word):
        """Commit a word."""
        self.sql("INSERT INTO words (word) VALUES (%s)", word)

    @contextmanager
    def beating(self, acks):
        """Have a heartbeat committed all the time, and what was acknowledged noted; it beats when this begins."""
        self.sql("CREATE SCHEMA IF NOT EXISTS chaoslab")
        self.sql("CREATE TABLE IF NOT EXISTS chaoslab.heartbeat (id bigint PRIMARY KEY, at timestamptz NOT NULL)")
        over, log = threading.Event(), AckLog(acks)
        writer = Writer("postgres", self.cluster.dsn(), log, interval_s=0.02, stopping=over)
        thread = threading.Thread(target=writer.run)
        thread.start()
        try:
            wait_until(lambda: len(acks.read_text().splitlines()) > 5, what="the heartbeat")
            yield
        finally:
            over.set()
            thread.join()
            log.close()

    def switch(self):
        """Close the segment that is being written and return its name."""
        [[name]] = self.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
        self.sql("SELECT pg_switch_wal()")
        return name


QUICK = {"fsync": "off", "shared_buffers": "16MB", "wal_level": "replica", "max_wal_senders": 6}


def words_of(cluster):
    """Return the words that a recovered server holds."""
    with psycopg.connect(cluster.dsn()) as connection:
        return [word for [word] in connection.execute("SELECT word FROM words ORDER BY id")]


def write_wal(cluster, segments=3):
    """Have a recovered server fill and close segments of its own."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        for number in range(segments):
            connection.execute("INSERT INTO words (word) VALUES (%s)", [f"after the recovery {number}"])
            connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")
        [mode] = connection.execute("SHOW archive_mode").fetchone()
        [archived] = connection.execute("SELECT archived_count FROM pg_stat_archiver").fetchone()
    return mode, archived


def require_passed(report, acks):
    """Hold the report of a drill that a beating server was declared lost in against what its writer had noted."""
    assert report.outcome == "passed", report
    assert report.codes() | report.codes("unknown") | report.codes("warning") == set(), report
    marks, lost = report.data["marks"], report.data["figures"]
    stages = {"disaster_s", "fetched_s", "replayed_s", "promoted_s", "serving_s", "verified_s"}
    assert stages <= marks.keys(), marks
    low_s, high_s = lost["lost_s"]["value"]
    assert lost["rows"]["value"] > len(acks.read_text().splitlines()) // 2, "every recovered row was compared"
    assert 0 < low_s <= high_s, "what came after the last segment is lost"
    assert 0 < lost["lost_rows"]["value"] < len(acks.read_text().splitlines())
    assert {name: one["outcome"] for name, one in report.objectives.items()} == dict.fromkeys(report.objectives, "met")
