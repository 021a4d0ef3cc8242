"""The run log is what a report is made of: it must survive crashes, two writers and a clock that jumps."""

import fcntl
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from chaoslab.runtime.clock import SimulatedClock, SystemClock
from chaoslab.runtime.runlog import RunLog, read_events
from chaoslab.runtime.secrets import Secrets


def log_at(path: Path, clock=None, secrets=None) -> RunLog:
    return RunLog.create(path, clock=clock or SystemClock(), secrets=secrets or Secrets())


def test_events_come_back_in_order_with_their_fields(tmp_path):
    clock = SimulatedClock()
    log = log_at(tmp_path / "events.jsonl", clock)
    log.append("run-started", run={"id": "r"}, origin_mono=log.origin_mono_s)
    clock.sleep(1.5)
    log.append("mark", name="disaster")
    log.close()
    first, second = read_events(log.path)
    assert (first["seq"], first["kind"], first["mono_s"]) == (1, "run-started", 0.0)
    assert (second["seq"], second["kind"], second["mono_s"], second["name"]) == (2, "mark", 1.5, "disaster")


def test_a_wall_clock_stepped_back_does_not_touch_durations(tmp_path):
    clock = SimulatedClock()
    log = log_at(tmp_path / "events.jsonl", clock)
    clock.sleep(2)
    clock.step_wall(-3600)
    log.append("mark", name="after")
    assert read_events(log.path)[0]["mono_s"] == 2.0


@pytest.mark.parametrize("torn", ['{"seq": 3, "kind": "ma', '{"seq": 3', "", "\x00\x00"])
def test_a_line_torn_by_a_crash_costs_only_itself(tmp_path, torn):
    path = tmp_path / "events.jsonl"
    log = log_at(path)
    log.append("run-started", run={}, origin_mono=log.origin_mono_s)
    log.append("mark", name="one")
    log.close()
    with path.open("a") as file:
        file.write(torn)
    again = RunLog.reopen(path, clock=SystemClock(), secrets=Secrets())
    again.append("interrupted", reason="the runner died")
    assert [(e["seq"], e["kind"]) for e in read_events(path)] == [(1, "run-started"), (2, "mark"), (3, "interrupted")]
    assert again.origin_mono_s == log.origin_mono_s


def _append_many(path: Path, kind: str) -> None:
    log = RunLog.reopen(path, clock=SystemClock(), secrets=Secrets())
    for number in range(200):
        log.append(kind, number=number)
    log.close()


def test_two_processes_share_one_log_and_one_sequence(tmp_path):
    path = tmp_path / "events.jsonl"
    log_at(path).append("run-started", run={}, origin_mono=0.0)
    fork = multiprocessing.get_context("forkserver")
    writers = [fork.Process(target=_append_many, args=(path, kind)) for kind in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [event["seq"] for event in read_events(path)] == list(range(1, 402))


def test_secrets_never_reach_the_file(tmp_path):
    secrets = Secrets()
    secrets.register("hunter2-canary")
    log = log_at(tmp_path / "events.jsonl", secrets=secrets)
    log.append(
        "finding",
        message="cannot log in with hunter2-canary",
        expected={"dsn": "postgresql://app:s3cret@db/x", "hunter2-canary": 1},
        actual=["password='pa ss'", "PGPASSWORD=abc host=x", Path("/mnt/hunter2-canary/x")],
    )
    text = log.path.read_text()
    for canary in ("hunter2-canary", "s3cret", "pa ss", "abc"):
        assert canary not in text
    assert json.loads(text)["expected"]["dsn"] == "postgresql://app:***@db/x"


def test_a_short_secret_is_masked_where_it_stands_alone_only():
    secrets = Secrets()
    secrets.register("abc")
    assert secrets.redact("abc abcdef x-abc") == "*** abcdef x-***"


def test_a_quoted_password_of_a_dsn_is_known_in_both_forms():
    secrets = Secrets()
    secrets.register_dsn("postgresql://app:p%40ss%2Fword@db:5432/x")
    assert "p@ss/word" not in secrets.redact("login with p@ss/word failed")
    assert "p%40ss%2Fword" not in secrets.redact("login with p%40ss%2Fword failed")


def test_closing_twice_is_harmless(tmp_path):
    log = log_at(tmp_path / "events.jsonl")
    log.close()
    log.close()


def test_a_writer_that_was_stopped_with_the_lock_in_hand_does_not_hold_the_other_up(tmp_path):
    path, clock = tmp_path / "events.jsonl", SimulatedClock()
    log = log_at(path, clock)
    stopped = os.open(path, os.O_RDWR)
    fcntl.flock(stopped, fcntl.LOCK_EX)  # another open file: as if another process held it
    log.append("fault-undone", entry=1, by="reaper")
    os.close(stopped)
    log.append("mark", name="after")
    assert [(event["seq"], event["kind"]) for event in read_events(path)] == [(1, "fault-undone"), (2, "mark")]
