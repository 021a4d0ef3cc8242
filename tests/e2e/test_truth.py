"""A stopwatch outside of the process says the same as the report: from the disaster to verified, and what was lost.

The source's own log says when it was asked for the last time, which is the disaster. The service's own check, a program
of this test, notes when it was content and which beats it found. Between them lie pauses that are known.
"""

import sys
import time
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from stopwatch import GAP_S, Writer, agree, checking, disaster_at, figures, reported, run, slow_programs

from chaoslab.postgres.logical.backup import take_backup
from chaoslab.postgres.servers.cluster import Cluster


@pytest.fixture(scope="module")
def source(binaries, passable_root):
    settings = {"log_statement": "all", "log_line_prefix": "%n ", "fsync": "off"}
    cluster = Cluster.create(passable_root / "truth", binaries, settings=settings)
    try:
        cluster.start()
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA chaoslab")
            connection.execute("CREATE TABLE chaoslab.heartbeat (id bigint PRIMARY KEY, at timestamptz NOT NULL)")
            connection.execute(
                "CREATE TABLE thing AS SELECT n AS id, md5(n::text) AS text FROM generate_series(1, 9999) n"
            )
        yield cluster
    finally:
        cluster.destroy()


def measure(person, source, programs, folder, binaries):
    """Return ours and the stopwatch's figures of one drill: rto, and the bounds of what was lost."""
    folder.mkdir()
    acks, notes = folder / "acks", folder / "notes.json"
    with Writer(source.dsn(), acks) as writer:
        while len(writer.acknowledged) < 20:
            time.sleep(0.01)
        backup = take_backup(source.dsn(), folder / "backup", binaries)
        writer.may_go_on.clear()
        time.sleep(GAP_S)
        writer.may_go_on.set()
        log_from = source.log.stat().st_size
        values = {
            "source": source.dsn(),
            "bin_dir": str(programs),
            "service_check": checking(folder, notes),
            "audit": "",
            "backup": str(backup.path),
            "heartbeat_acks": str(acks),
        }
        report, seen = run(person, "postgres-restore", values, notes)
    return reported(report), figures(disaster_at(source, log_from), writer.acknowledged, seen)


def test_our_figures_are_those_of_a_stopwatch(lonely, source, passable_root, binaries, tmp_path):
    programs = slow_programs(passable_root / tmp_path.name, binaries, "pg_restore")
    _, stopwatch = agree(lambda number: measure(lonely, source, programs, tmp_path / f"try-{number}", binaries))
    assert stopwatch["lost at most"] > GAP_S
