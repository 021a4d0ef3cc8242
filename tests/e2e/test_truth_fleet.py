"""A stopwatch outside of the process says how long it took until the last of several databases was verified.

The source's own log says when it was asked for the last time, which is the disaster. The smoke query has each restored
database note its own clock when it is done, after a pause that is known; the last one is the fleet's.
"""

import json
import os
import sys
import time
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from stopwatch import PAUSE_S, agree, disaster_at

from chaoslab.postgres.servers.cluster import Cluster

NAMES = ("truth_small", "truth_large")
ROWS = {"truth_small": 100, "truth_large": 200_000}


@pytest.fixture(scope="module")
def source(binaries, passable_root):
    settings = {"log_statement": "all", "log_line_prefix": "%n ", "fsync": "off"}
    cluster = Cluster.create(passable_root / "truth-fleet", binaries, settings=settings)
    try:
        cluster.start()
        for name in NAMES:
            with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            with psycopg.connect(cluster.dsn(name), autocommit=True) as connection:
                connection.execute(
                    f"CREATE TABLE thing AS SELECT n AS id, md5(n::text) AS t FROM generate_series(1, {ROWS[name]}) n"
                )
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture
def open_folder(passable_root):
    """A folder into which the scratch server writes, whichever user runs it."""
    folder = passable_root / "clocks"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder


def measure(person, source, folder, number):
    """Return ours and the stopwatch's figure of one drill."""
    clock = folder / f"try-{number}"
    log_from = source.log.stat().st_size
    values = {
        "source": source.dsn(),
        "databases": "truth_*",
        "workers": 1,
        "heartbeat_acks": "",
        "smoke_sql": f"COPY (SELECT pg_sleep({PAUSE_S}), extract(epoch FROM clock_timestamp())) TO '{clock}'",
    }
    file = person.folder / "values.yaml"
    file.write_text(json.dumps({"configuration": values}))
    done = person.types("run", "postgres-fleet", "--var-file", file, "--json")
    assert done.returncode == 0, done.stderr
    [rto] = [one["actual"] for one in json.loads(done.stdout)["objectives"] if one["name"] == "rto"]
    noted_at = float(clock.read_text().split("\t")[1]) - (time.time() - time.monotonic())
    os.unlink(clock)
    # A void value, such as that of pg_sleep, is written as nothing, so the clock is the second column.
    return {"rto": rto["high"]}, {"rto": noted_at - disaster_at(source, log_from)}


def test_the_fleet_is_recovered_when_its_last_database_is(lonely, source, open_folder):
    _, stopwatch = agree(lambda number: measure(lonely, source, open_folder, number))
    assert stopwatch["rto"] > len(NAMES) * PAUSE_S
