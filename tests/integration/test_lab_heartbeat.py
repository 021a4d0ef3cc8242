"""The heartbeat: what is acknowledged is there, and only what was committed is acknowledged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from waiting import until

from chaoslab.lab.supervisor import DELAY_S
from chaoslab.postgres.servers import postmaster
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.runtime.identity import identify


def acks(path):
    lines = [line.split() for line in Path(path).read_text().splitlines()]
    return [(database, int(beat), float(at), float(mono)) for database, beat, at, mono in lines]


def beats(dsn):
    with psycopg.connect(dsn) as connection:
        return dict(connection.execute("SELECT id, extract(epoch FROM at)::float8 FROM chaoslab.heartbeat").fetchall())


def test_every_acknowledged_beat_is_in_its_database(lab):
    names = {database["name"] for database in lab["postgres"]}
    until(lambda: {name for name, *_ in acks(lab["heartbeat"]["acks"])} == names)
    known = acks(lab["heartbeat"]["acks"])
    for database in lab["postgres"]:
        rows = beats(database["dsn"])
        mine = [(beat, at) for name, beat, at, _ in known if name == database["name"]]
        assert {beat for beat, _ in mine} <= rows.keys()
        # The row is written before it is acknowledged, and not long before.
        assert all(-0.01 < at - rows[beat] < 60 for beat, at in mine)


def test_it_beats_ten_times_a_second_and_no_more(lab):
    before, begin = len(acks(lab["heartbeat"]["acks"])), time.monotonic()
    time.sleep(2)
    count = len(acks(lab["heartbeat"]["acks"])) - before
    # Late beats are not made up for in a burst, so a machine without time only makes them fewer.
    assert 3 <= count <= (time.monotonic() - begin + 1) * 10 * len(lab["postgres"])


@pytest.fixture
def own(passable, binaries):
    """A server with a heartbeat of its own, that may be wrecked."""
    cluster = Cluster.create(passable / "server", binaries, settings={"shared_buffers": "8MB"})
    cluster.start()
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA chaoslab")
        connection.execute("CREATE TABLE chaoslab.heartbeat (id bigint PRIMARY KEY, at timestamptz NOT NULL)")
    config = passable / "heartbeat.json"
    path = passable / "acks"
    config.write_text(
        '{"databases": [{"name": "one", "dsn": "%s"}], "acks": "%s", "interval_s": 0.01}' % (cluster.dsn(), path)  # noqa: UP031
    )
    process = subprocess.Popen([sys.executable, "-m", "chaoslab.postgres.recovery_point.beating", "--config", config])
    until(lambda: path.exists() and len(acks(path)) >= 5)
    yield cluster, path, process
    process.terminate()
    assert process.wait(60) == 0
    postmaster.destroy(cluster.folder)


def wait_for_more(path, count=10):
    before = len(acks(path))
    until(lambda: len(acks(path)) >= before + count)


def test_it_survives_restarts_and_loses_no_acknowledged_beat(own):
    cluster, path, _ = own
    for mode in ("fast", "immediate"):
        cluster.stop(mode)
        cluster.start()
        wait_for_more(path)
    os.kill(cluster.pid(), signal.SIGKILL)
    while cluster.pid():
        time.sleep(0.01)
    cluster.start()
    wait_for_more(path)
    known = [beat for _, beat, *_ in acks(path)]
    assert known == sorted(set(known)), "no number is used twice"
    assert set(known) <= beats(cluster.dsn()).keys()


def test_after_a_restore_to_an_earlier_state_it_does_not_repeat_numbers(own):
    cluster, path, _ = own
    wait_for_more(path)
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("DELETE FROM chaoslab.heartbeat WHERE id > 3")
    wait_for_more(path)
    known = [beat for _, beat, *_ in acks(path)]
    assert known == sorted(set(known))


def test_a_supervised_process_is_restarted_and_named(tmp_path):
    pid_file = tmp_path / "x.pid"
    words = [sys.executable, "-m", "chaoslab.lab.supervisor", "--pid-file", pid_file, "--", "sleep", "600"]
    supervisor = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def other_than(old):
        until(lambda: pid_file.exists() and int(pid_file.read_text().split()[0]) != old)
        return int(pid_file.read_text().split()[0])

    first = other_than(None)
    assert pid_file.read_text().split()[1] == str(identify(first).started)
    begin = time.monotonic()
    os.kill(first, signal.SIGKILL)
    second = other_than(first)
    assert time.monotonic() - begin >= DELAY_S
    third_begin = time.monotonic()
    os.kill(second, signal.SIGKILL)
    third = other_than(second)
    assert time.monotonic() - third_begin >= 2 * DELAY_S, "one that dies at once is given more time"
    os.kill(third, signal.SIGSTOP)
    supervisor.terminate()
    said, _ = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0
    assert said.count("ended with -9") == 2
    assert identify(third) is None or not identify(third).is_alive()
