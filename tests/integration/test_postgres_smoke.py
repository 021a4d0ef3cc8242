"""Using a restored database: the smoke query, the service's own check, the watch over who is served, the probes."""

import sys
import threading
import time

import pytest
from waiting import until

from chaoslab.core.errors import Missing
from chaoslab.postgres import probes
from chaoslab.postgres.connect import ConnectFailed, connect
from chaoslab.postgres.proofs.serving import ServingWatch
from chaoslab.postgres.proofs.smoke import run_check, run_smoke
from chaoslab.postgres.servers.ports import free_port
from chaoslab.runtime.session import Session

pytestmark = pytest.mark.postgres


@pytest.fixture
def dsn(lab):
    return lab["postgres"][0]["dsn"]


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "SELECT true", "SELECT count(*) FROM clinic.patient", "SET work_mem = '1MB'"]
)
def test_a_smoke_query_that_finds_something(sql, dsn):
    assert run_smoke(dsn, sql, timeout_s=60) is None


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT false", "found nothing"),
        ("SELECT NULL", "found nothing"),
        ("SELECT 1 WHERE false", "found nothing"),
        ("SELECT * FROM none", 'relation "none" does not exist'),
        ("SELECT pg_sleep(90)", "statement timeout"),
        ("DELETE FROM clinic.never_used", "read-only transaction"),
    ],
)
def test_a_smoke_query_that_does_not(sql, told, dsn):
    found = run_smoke(dsn, sql, timeout_s=2)
    assert found.code == "smoke-failed"
    assert told in found.message


def check(code, **options):
    return run_check(
        [sys.executable, "-c", code], "postgresql://here", watch=lambda: None, **{"timeout_s": 60, **options}
    )


def test_the_service_s_check_gets_the_database_and_is_heard():
    assert check("import os; print('first'); print('ok', os.environ['DATABASE_URL'])") == (None, "ok postgresql://here")


def test_a_command_line_is_split_but_no_shell_runs():
    assert run_check("echo '$HOME; a b'", "x", timeout_s=60, watch=lambda: None) == (None, "$HOME; a b")


def test_a_check_that_fails_hangs_or_is_not_there():
    broken, _ = check("print('no rights'); raise SystemExit(3)")
    assert (broken.code, "exit 3" in broken.message, "no rights" in broken.message) == (
        "service-check-failed",
        True,
        True,
    )
    begun = time.monotonic()
    broken, _ = check("import time; time.sleep(60)", timeout_s=0.5)
    assert "did not end within 0.5 s" in broken.message
    assert time.monotonic() - begun < 50
    broken, _ = run_check(["/no/such/program"], "x", timeout_s=5, watch=lambda: None)
    assert "could not be started" in broken.message


def test_the_watch_sees_nobody_served_until_the_database_is_handed_over(dsn):
    samples, marks, begun = [], [], time.monotonic()
    watch = ServingWatch(
        now_s=lambda: time.monotonic() - begun,
        add=lambda *sample: samples.append(sample),
        first_bad=lambda at_s: marks.append(("bad", at_s)),
        first_good=lambda at_s: marks.append(("good", at_s)),
        question="SELECT count(*) FROM clinic.patient",
    )
    watch.start()
    until(lambda: samples)
    handed_over = time.monotonic() - begun
    watch.open_to_clients(dsn)
    until(lambda: sum(is_good for _, _, is_good, _ in samples) >= 3)
    watch.stop()
    good = [at_s for at_s, _, is_good, _ in samples if is_good]
    bad = [at_s for at_s, _, is_good, _ in samples if not is_good]
    assert good
    assert min(bad) < handed_over <= dict(marks)["good"]
    assert [name for name, _ in marks] == ["bad", "good"]
    assert threading.active_count() < 20


def test_the_watch_notices_when_the_question_is_not_answered(dsn):
    samples, begun = [], time.monotonic()
    watch = ServingWatch(
        now_s=lambda: time.monotonic() - begun,
        add=lambda *sample: samples.append(sample),
        first_bad=lambda at_s: None,
        first_good=lambda at_s: None,
        question="SELECT * FROM none",
    )
    watch.start()
    watch.open_to_clients(dsn)
    until(lambda: any("does not exist" in note for *_, note in samples))
    watch.stop()
    assert not any(good for _, _, good, _ in samples)


@pytest.fixture
def session(tmp_path):
    made = Session("probes", tmp_path / "run", state=tmp_path / "state")
    yield made
    made.close("completed")


def test_probes_of_a_source_that_is_well(dsn, session):
    assert probes.answers(dsn)
    assert probes.has_tables(dsn)
    assert probes.heartbeat_advances(dsn)
    assert probes.programs_fit(dsn)


def test_probes_of_a_source_that_is_not(dsn, lab, make_database, session, tmp_path):
    with pytest.raises(ConnectFailed):
        probes.answers(f"postgresql://me@127.0.0.1:{free_port()}/x")
    assert not probes.has_tables(lab["server"]["dsn"])
    with pytest.raises(Missing):
        probes.programs_fit(dsn, str(tmp_path))
    quiet = make_database(size_mb=1)
    assert probes.heartbeat_advances(quiet)  # a table without a beat is no heartbeat
    with connect(quiet, read_only=False) as source:
        source.execute("INSERT INTO chaoslab.heartbeat VALUES (1, now())")
    assert not probes.heartbeat_advances(quiet, within="300ms")
    assert "heartbeat-stands-still" in (tmp_path / "run" / "events.jsonl").read_text()
