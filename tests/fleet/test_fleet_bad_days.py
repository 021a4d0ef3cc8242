"""Bad days of the drill over a fleet: it is stopped, killed, run twice; the source dies; a dump is bounded."""

import signal
import time

import pytest
from postgres_drill import Started, at_work_in, is_alive

from chaoslab.postgres.servers.cluster import Cluster

pytestmark = pytest.mark.postgres
WITHIN_S = 60


@pytest.fixture
def slow(source, scratch_base, state, tmp_path):
    """A drill whose dumps take their time: the bound on their speed sees to it."""

    def go(*variables):
        given = (
            f"source={source.dsn}",
            f"scratch_dir={scratch_base}",
            "heartbeat_acks=",
            "rate_limit=4KiB/s",
            *variables,
        )
        return Started("postgres-fleet", tmp_path / "reports", *given)

    return go


def test_the_runner_is_killed_with_all_workers_dumping_and_leaves_nothing(slow, scratch_base, state):
    run = slow("workers=3")
    run.wait_for(lambda: len(at_work_in(scratch_base, "pg_dump")) >= 3)
    dumping = at_work_in(scratch_base, "pg_dump")
    run.kill()
    until = time.monotonic() + WITHIN_S
    while (list(scratch_base.iterdir()) or any(is_alive(pid) for pid in dumping)) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(scratch_base.iterdir()) == []
    assert [pid for pid in dumping if is_alive(pid)] == []


def test_ctrl_c_stops_all_workers_and_leaves_nothing(slow, scratch_base):
    run = slow("workers=3")
    run.wait_for(lambda: len(at_work_in(scratch_base, "pg_dump")) >= 3)
    run.process.send_signal(signal.SIGINT)
    report = run.end()
    assert (report.outcome, report.exit_code) == ("interrupted", 130)
    assert list(scratch_base.iterdir()) == []
    assert at_work_in(scratch_base, "pg_dump") == []


def test_a_second_run_at_once_is_refused(slow, source, scratch_base, drill):
    run = slow()
    run.wait_for_step("dump")
    second = drill(f"source={source.dsn}")
    assert (second.outcome, second.exit_code) == ("refused", 12)
    assert second.data["refusals"][0]["guard"] == "lock"
    run.process.send_signal(signal.SIGINT)
    assert run.end().outcome == "interrupted"


def test_a_snapshot_is_not_held_for_longer_than_allowed(slow, source):
    report = slow("snapshot_max=2s").end()
    assert report.codes() == {"snapshot-held-too-long"}, report
    assert {part["outcome"] for part in report.data["parts"]} == {"failed"}


def test_a_source_that_dies_while_it_is_dumped_fails_its_databases_only(
    binaries, passable_root, source, slow, scratch_base
):
    dying = Cluster.create(passable_root / "dying", binaries, settings={"fsync": "off"})
    dying.start()
    try:
        import psycopg

        with psycopg.connect(dying.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT repeat('x', 900) FROM generate_series(1, 2000)")
        both = f"source={source.dsn};{dying.dsn()}"
        run = slow(both, "databases=postgres,healthfinance_users", "rate_limit=300KiB/s", "workers=2")
        run.wait_for(lambda: len(at_work_in(scratch_base, "pg_dump")) >= 2)
        dying.stop("immediate")
        report = run.end()
    finally:
        dying.destroy()
    outcomes = {part["name"]: part["outcome"] for part in report.data["parts"]}
    assert report.outcome == "failed", report
    assert outcomes[f"127.0.0.1:{dying_port(outcomes, source)}/postgres"] == "failed"
    assert outcomes[f"{source.label}/healthfinance_users"] == "ok"
    assert "database-not-dumped" in report.codes()


def dying_port(outcomes, source):
    """The port of the server that is not the healthy source."""
    return next(name.split("/")[0].split(":")[1] for name in outcomes if not name.startswith(source.label))
