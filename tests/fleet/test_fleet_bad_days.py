"""Bad days of the drill over a fleet: it is stopped, killed, run twice; the source dies; a dump is bounded."""

import json
import os
import signal
import subprocess
import time

import pytest
from postgres_drill import Report, command_of

from chaoslab.postgres.cluster import Cluster
from chaoslab.runtime.identity import state_of

pytestmark = pytest.mark.postgres
WITHIN_S = 60


class Started:
    """A drill that runs, to be disturbed at a certain moment."""

    def __init__(self, folder, *variables):
        self.folder = folder
        command = command_of("postgres-fleet", folder, ("heartbeat_acks=", *variables))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def events(self):
        for path in self.folder.glob("*/events.jsonl"):
            for line in path.read_text().splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    return

    def wait_for(self, what, within_s=WITHIN_S):
        until = time.monotonic() + within_s
        while not what(self):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until, "it did not come to that"
            time.sleep(0.01)

    def report(self, within_s=120):
        stdout, stderr = self.process.communicate(timeout=within_s)
        assert "Traceback" not in stderr, stderr
        done = subprocess.CompletedProcess([], self.process.returncode, stdout, stderr)
        return Report(done, json.loads(stdout))


def begun(step):
    return lambda run: any(one["kind"] == "step-started" and one["name"] == step for one in run.events())


def programs_in(folder, name):
    """The process ids of a program that works in a folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as stream:
                    words = stream.read().split(b"\0")
            except OSError:
                continue
            inside = any(os.fsencode(folder) in word for word in words[1:])
            if inside and words[0].rpartition(b"/")[2] == name.encode():
                found.append(int(entry))
    return found


@pytest.fixture
def slow(source, place, state, tmp_path):
    """A drill whose dumps take their time: the bound on their speed sees to it."""

    def go(*variables):
        return Started(
            tmp_path / "reports", f"source={source.dsn}", f"scratch_dir={place}", "rate_limit=4KiB/s", *variables
        )

    return go


def test_the_runner_is_killed_with_all_workers_dumping_and_leaves_nothing(slow, place, state):
    run = slow("workers=3")
    run.wait_for(lambda _: len(programs_in(place, "pg_dump")) >= 3)
    dumping = programs_in(place, "pg_dump")
    run.process.kill()
    run.process.communicate()
    until = time.monotonic() + WITHIN_S
    while (
        list(place.iterdir()) or any(state_of(pid) not in {"", "Z"} for pid in dumping)
    ) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(place.iterdir()) == []
    assert [pid for pid in dumping if state_of(pid) not in {"", "Z"}] == []


def test_ctrl_c_stops_all_workers_and_leaves_nothing(slow, place):
    run = slow("workers=3")
    run.wait_for(lambda _: len(programs_in(place, "pg_dump")) >= 3)
    run.process.send_signal(signal.SIGINT)
    report = run.report()
    assert (report.outcome, report.exit_code) == ("interrupted", 130)
    assert list(place.iterdir()) == []
    assert programs_in(place, "pg_dump") == []


def test_a_second_run_at_once_is_refused(slow, source, place, drill):
    run = slow()
    run.wait_for(begun("dump"))
    second = drill(f"source={source.dsn}")
    assert (second.outcome, second.exit_code) == ("refused", 12)
    assert second.data["refusals"][0]["guard"] == "lock"
    run.process.send_signal(signal.SIGINT)
    assert run.report().outcome == "interrupted"


def test_a_snapshot_is_not_held_for_longer_than_allowed(slow, source):
    report = slow("snapshot_max=2s").report()
    assert report.outcome == "inconclusive" or report.codes() == {"snapshot-held-too-long"}, report
    assert report.codes() == {"snapshot-held-too-long"}
    assert {part["outcome"] for part in report.data["parts"]} == {"failed"}


def test_a_source_that_dies_while_it_is_dumped_fails_its_databases_only(binaries, passable_root, source, slow, place):
    dying = Cluster.create(passable_root / "dying", binaries, settings={"fsync": "off"})
    dying.start()
    try:
        import psycopg

        with psycopg.connect(dying.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT repeat('x', 900) FROM generate_series(1, 2000)")
        both = f"source={source.dsn};{dying.dsn()}"
        run = slow(both, "databases=postgres,healthfinance_users", "rate_limit=300KiB/s", "workers=2")
        run.wait_for(lambda _: len(programs_in(place, "pg_dump")) >= 2)
        dying.stop("immediate")
        report = run.report()
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
