"""The service with its database there, slow, blocked, gone and back; and the check of a database."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

import chaoslab.lab
from chaoslab.http.figures import total_of
from chaoslab.runtime.proxyclient import ProxyClient


@pytest.fixture
def proxy(lab):
    client = ProxyClient(lab["proxy"]["control"])
    yield client
    for name in client.toxics():
        client.remove(name)
    until(lambda: ask(lab, "/actuator/health")[0] == 200, "the service comes back")


def ask(lab, path, data=None):
    body = None if data is None else json.dumps(data).encode()
    try:
        with urllib.request.urlopen(lab["service"]["url"] + path, body, timeout=60) as answer:
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


def timed(lab, path, data=None):
    begin = time.monotonic()
    status, _, headers = ask(lab, path, data)
    return status, "X-Degraded" in headers, time.monotonic() - begin


def test_it_reads_and_writes_through_the_proxy(lab):
    status, found, _ = ask(lab, "/appointments/1")
    assert (status, found["id"]) == (200, 1)
    status, made, headers = ask(lab, "/appointments", {"patient_id": 5, "minutes": 45, "notes": "a new one"})
    assert status == 201
    assert ask(lab, headers["Location"])[1] == made
    with psycopg.connect(lab["service"]["dsn"]) as connection:
        query = "SELECT tenant_id, notes, duration::text FROM clinic.appointment WHERE id = %s"
        assert connection.execute(query, (made["id"],)).fetchone() == (1, "a new one", "00:45:00")


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/appointments/2", None, 404),
        ("/appointments/999999999", None, 404),
        ("/appointments/x", None, 404),
        ("/nothing", None, 404),
        ("/nothing", {}, 404),
        ("/appointments", {"patient_id": 999_999_999}, 422),
        ("/appointments", {"minutes": -5}, 422),
        ("/appointments", {"starts_at": "whenever"}, 422),
        ("/appointments", [1], 400),
    ],
)
def test_what_it_cannot_do_it_says(lab, path, data, status):
    assert ask(lab, path, data)[0] == status


def test_another_tenants_appointment_is_not_there(lab):
    with psycopg.connect(lab["service"]["dsn"]) as connection:
        assert connection.execute("SELECT tenant_id FROM clinic.appointment WHERE id = 2").fetchone() == (2,)
    assert ask(lab, "/appointments/2")[0] == 404


def test_its_figures_are_there_for_prometheus(lab):
    ask(lab, "/appointments/1")
    with urllib.request.urlopen(lab["service"]["metrics"], timeout=5) as answer:
        text = answer.read().decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    labels = 'application="appointment-service",method="GET",status="200",uri="/appointments/{id}"'
    assert float(figures[f"http_server_requests_seconds_count{{{labels}}}"]) >= 1
    assert float(figures['hikaricp_connections_max{application="appointment-service"}']) == 20
    assert float(figures['hikaricp_connections_active{application="appointment-service"}']) == 0


def test_a_scrape_is_read_as_prometheus_reads_it_and_as_our_probes_do(lab):
    ask(lab, "/appointments/1")
    with urllib.request.urlopen(f"{lab['service']['url']}/actuator/prometheus", timeout=20) as answer:
        text = answer.read().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    kinds = {
        "http_server_requests_seconds": "histogram",
        "hikaricp_connections_active": "gauge",
        "hikaricp_connections_timeout": "counter",
        "resilience4j_circuitbreaker_state": "gauge",
        "resilience4j_circuitbreaker_calls_seconds": "summary",
        "resilience4j_circuitbreaker_not_permitted_calls": "counter",
    }
    assert {name: families[name].type for name in kinds} == kinds
    for sample in (sample for family in families.values() for sample in family.samples):
        assert sample.labels["application"] == "appointment-service"
        assert total_of(text, sample.name, sample.labels) == sample.value


def test_a_client_may_keep_its_connection(lab):
    connection = http.client.HTTPConnection(lab["service"]["url"].removeprefix("http://"), timeout=60)
    took = []
    for _ in range(20):
        begin = time.monotonic()
        connection.request("GET", "/appointments/1")
        assert connection.getresponse().read()
        took.append(time.monotonic() - begin)
    connection.close()
    # Headers and body apart would wait for a delayed acknowledgement, 40 ms each, every time.
    assert min(took) < 0.04


def test_it_sustains_a_hundred_requests_a_second(lab):
    outcomes = []

    def one():
        outcomes.append(timed(lab, "/appointments/1"))

    threads = []
    begin = time.monotonic()
    for number in range(200):
        time.sleep(max(0.0, begin + number / 100 - time.monotonic()))
        threads.append(threading.Thread(target=one))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in outcomes} == {200}
    assert any(not degraded for _, degraded, _ in outcomes)


@pytest.mark.parametrize("kind", ["blackhole", "reset"])
def test_without_its_database_it_degrades_and_answers_in_time(lab, proxy, kind):
    until(lambda: timed(lab, "/appointments/5")[:2] == (200, False), "it reads")
    proxy.add("gone", kind, ttl_s=30)
    seen = [timed(lab, path) for path in ("/appointments/5", "/actuator/health", "/appointments/9")]
    written = timed(lab, "/appointments", {})
    assert [answer[:2] for answer in seen] == [(200, True), (503, False), (503, False)]
    assert written[0] == 503
    # A client of the database would wait for minutes.
    assert max(answer[2] for answer in (*seen, written)) < 25
    proxy.remove("gone")
    until(lambda: timed(lab, "/appointments/5")[:2] == (200, False), "it is back after the heal")


def test_refused_new_connections_do_not_matter_while_it_has_open_ones(lab, proxy):
    proxy.add("closed", "refuse", ttl_s=30)
    answers = [timed(lab, "/appointments/1")[:2] for _ in range(20)]
    assert answers.count((200, False)) >= 15, "one may be late on a busy machine"


def test_latency_is_felt_once_in_a_read(lab, proxy):
    proxy.add("slow", "latency", latency_s=0.2, ttl_s=30)
    answers = [timed(lab, "/appointments/1") for _ in range(5)]
    good = [took for status, degraded, took in answers if (status, degraded) == (200, False)]
    assert 0.2 <= min(good) < 0.4


def test_a_locked_table_holds_nobody_for_ever(lab):
    ask(lab, "/appointments/13")
    with psycopg.connect(lab["service"]["dsn"]) as connection:
        connection.execute("LOCK TABLE clinic.appointment IN ACCESS EXCLUSIVE MODE")
        status, degraded, took = timed(lab, "/appointments/13")
        assert (status, degraded) == (200, True)
        assert took < 25
    until(lambda: timed(lab, "/appointments/13")[:2] == (200, False), "it reads again")


def test_it_comes_back_when_it_is_killed(lab):
    before = chaoslab.lab.status()["service"]["pid"]
    os.kill(before, signal.SIGKILL)

    def answers():
        with contextlib.suppress(OSError):
            return ask(lab, "/actuator/health")[0] == 200

    until(answers, "it answers again")
    assert chaoslab.lab.status()["service"]["pid"] != before


def check(lab, dsn):
    words = [*lab["service"]["check"]]
    environment = {**os.environ, "DATABASE_URL": dsn}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)


def test_the_check_of_a_good_database(lab):
    with psycopg.connect(lab["service"]["dsn"]) as connection:
        count = "SELECT count(*) FROM clinic.appointment"
        before = connection.execute(count).fetchone()
        done = check(lab, lab["service"]["dsn"])
        assert connection.execute(count).fetchone() == before, "what it wrote is rolled back"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok: read appointment 1, wrote ")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DROP POLICY tenant_only ON clinic.appointment", "there is no appointment to read"),
        ("ALTER TABLE clinic.appointment DISABLE ROW LEVEL SECURITY", "the policies do not hold"),
        ("REVOKE SELECT ON clinic.appointment FROM healthfinance_app", "permission denied for table appointment"),
        ("DROP TRIGGER record_change ON clinic.appointment", "left no trace in the audit log"),
        ("DROP TABLE audit.event", 'relation "audit.event" does not exist'),
        ("TRUNCATE clinic.appointment", "there is no appointment to read"),
        ("DROP SCHEMA clinic CASCADE", 'relation "clinic.appointment" does not exist'),
    ],
)
def test_the_check_of_a_damaged_database_fails_with_one_line(lab, make_database, damage, said):
    dsn = make_database(size_mb=0.1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(damage)
    done = check(lab, dsn)
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.startswith("failed: ")
    assert said in done.stdout
    assert done.stdout.count("\n") == 1


def test_the_check_of_no_database_at_all(lab):
    done = check(lab, lab["service"]["dsn"].rpartition("/")[0] + "/nothing")
    assert done.returncode == 1
    assert 'database "nothing" does not exist' in done.stdout
    bare = subprocess.run([sys.executable, "-m", "chaoslab.lab.service"], capture_output=True, text=True, timeout=120)
    assert bare.returncode == 2
    assert "DATABASE_URL is not set" in bare.stderr
