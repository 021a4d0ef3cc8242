"""What a service tells of itself is awaited, and what it does not tell in time is a failure with its reason."""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.core.record import record_of
from chaoslab.http.probes import metric, told
from chaoslab.runtime.runlog import read_events

sys.path.insert(0, str(Path(__file__).parent / "support"))
from http_targets import running_session


class Telling(BaseHTTPRequestHandler):
    def do_GET(self):
        age_s = time.monotonic() - self.server.begun
        if self.path == "/metrics":
            body = f'breaker{{state="open"}} {int(age_s > 0.3)}\nshed_total {int(age_s * 100)}\nfixed 5\n'.encode()
        else:
            body = b'{"status": "UP"}' if age_s > 0.3 else b'{"status": "DOWN"}'
        self.send_response(200 if self.path == "/metrics" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Stay quiet."""


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Telling)
    server.begun = time.monotonic()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def session(tmp_path):
    with running_session(tmp_path) as made:
        yield made


def test_a_state_is_reached_and_the_time_is_told(session, url, tmp_path):
    wanted = {"name": "breaker", "labels": "state=open", "at_least": 1, "within": "60s", "figure": "opened_after_s"}
    found = metric(f"{url}/metrics", **wanted)
    session.close("completed")
    figures = record_of(read_events(tmp_path / "run" / "events.jsonl")).figures
    assert figures["opened_after_s"] == {"value": found["as_expected_after_s"], "unit": "s"}


def test_growth_counts_from_now_on(session, url):
    assert metric(f"{url}/metrics", name="shed_total", grows="5", within="60s")
    with pytest.raises(ChaoslabError, match=r"it was 5, 0 more than at first"):
        metric(f"{url}/metrics", name="fixed", grows=1, within="200ms")


def test_a_word_of_json_is_awaited_whatever_the_status(session, url):
    assert told(f"{url}/health", field="status", equals="UP", within="60s", stable="200ms")
    with pytest.raises(ChaoslabError, match=r"status of .* was not as expected within 200ms: it was 'UP'"):
        told(f"{url}/health", field="status", equals="DOWN", within="200ms")


def test_what_is_not_there_is_said(session, url):
    with pytest.raises(ChaoslabError, match="there is no such metric"):
        metric(f"{url}/metrics", name="nothing", at_least=1, within="100ms")
    with pytest.raises(ChaoslabError, match="does not answer"):
        metric("http://127.0.0.1:1/metrics", name="fixed", at_least=1, within="100ms")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "give at_least, at_most or grows"),
        ({"at_least": "many"}, "at_least: 'many' is no number"),
        ({"at_least": 1, "within": "soon"}, "within: "),
        ({"at_least": 1, "labels": "x"}, "labels: "),
        ({"at_least": 1, "url": "ftp://x/"}, "is no web address"),
    ],
)
def test_arguments_that_make_no_sense_are_named(session, url, arguments, said):
    with pytest.raises(BadUsage, match=said):
        metric(**{"url": f"{url}/metrics", "name": "fixed", **arguments})
