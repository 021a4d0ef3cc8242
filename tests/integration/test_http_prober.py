"""The prober against real servers whose outages are known.

How exact it is stands in benchmarks/prober.py; the bounds here only tell right from wrong on a busy machine.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from http_targets import probing, running_server, running_session, samples

from chaoslab.core.errors import BadUsage
from chaoslab.core.record import record_of
from chaoslab.http.prober import Prober
from chaoslab.runtime.runlog import read_events

BUSY_S = 0.15
"""How late a busy machine of two cores may make anything."""


@pytest.fixture
def server():
    with running_server() as running:
        yield running


@pytest.fixture
def session(tmp_path):
    with running_session(tmp_path) as made:
        yield made


def test_a_known_outage_is_found_where_it_was(session, server):
    with probing(session, server.url, rate_hz=100.0):
        begin, end = server.outage(0.3, 0.7)
        time.sleep(1.4)
    taken = samples(session)
    bad = [sample for sample in taken if not sample.good]
    origin = session.log.origin_mono_s
    assert {sample.note for sample in bad} == {"503"}
    assert abs(bad[0].at_s - (begin - origin)) <= BUSY_S
    first_good = next(sample for sample in taken if sample.at_s > bad[-1].at_s)
    assert bad[-1].at_s <= end - origin <= first_good.at_s + first_good.latency_s
    assert first_good.at_s + first_good.latency_s - bad[-1].at_s <= BUSY_S
    assert all(sample.good for sample in taken if sample.at_s > bad[-1].at_s)


def test_the_schedule_is_kept_and_every_slot_has_one_sample(session, server):
    with probing(session, server.url, rate_hz=100.0):
        time.sleep(1.0)
    taken = samples(session)
    assert 95 <= len(taken) <= 110
    steps = [round(later.at_s - earlier.at_s, 3) for earlier, later in pairwise(taken)]
    assert set(steps) == {0.01}
    assert all(sample.good for sample in taken)
    assert sorted(sample.latency_s for sample in taken)[len(taken) // 2] < BUSY_S


def test_a_stall_is_charged_to_all_who_would_have_waited_in_it(session, server):
    with probing(session, server.url, rate_hz=50.0, timeout_s=2.0):
        begin, end = server.outage(0.2, 0.5, "silent")
        time.sleep(1.0)
    origin = session.log.origin_mono_s
    in_stall = [sample for sample in samples(session) if begin - origin <= sample.at_s < end - origin - 0.02]
    assert len(in_stall) >= 22
    for sample in in_stall:
        assert sample.good
        assert sample.at_s + sample.latency_s == pytest.approx(end - origin, abs=BUSY_S)


def test_a_stopped_server_is_a_timeout_and_the_number_in_flight_is_bounded(session, server):
    with probing(session, server.url, rate_hz=100.0, timeout_s=0.4, max_in_flight=10):
        time.sleep(0.2)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.6)
        server.process.send_signal(signal.SIGCONT)
        time.sleep(0.3)
    taken = samples(session)
    notes = {sample.note for sample in taken}
    assert notes == {"", "timeout", "not sent: 10 unanswered"}
    timeouts = [sample.latency_s for sample in taken if sample.note == "timeout"]
    assert timeouts == pytest.approx([0.4] * len(timeouts), abs=BUSY_S)
    assert all(sample.good for sample in taken[-10:])


def test_a_killed_server_is_refused_at_once(session, server):
    with probing(session, server.url, rate_hz=100.0):
        time.sleep(0.1)
        server.process.kill()
        server.process.wait()
        killed_s = session.now_s()
        time.sleep(0.2)
    after = [sample for sample in samples(session) if sample.at_s > killed_s + 0.01]
    assert len(after) > 10
    assert {sample.note for sample in after} == {"refused"}
    assert max(sample.latency_s for sample in after) < BUSY_S


def test_a_suspended_prober_counts_its_gap_as_bad(tmp_path, server):
    """The whole prober is stopped for a while: nobody was asking then, so nobody can say that all was well."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from chaoslab.http.prober import Prober\n"
        "from chaoslab.runtime.session import Session\n"
        "folder = Path(sys.argv[1]); session = Session('r', folder / 'run', state=folder / 'state')\n"
        "session.start({'id': 'r'})\n"
        "prober = Prober('api', sys.argv[2], sampler=session.sampler('api'), rate_hz=100.0)\n"
        "prober.start(); print('on', flush=True)\n"
        "time.sleep(1.2); prober.stop(); session.close('completed')\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", code, tmp_path, server.url], stdout=subprocess.PIPE)
    assert runner.stdout.readline() == b"on\n"
    time.sleep(0.2)
    runner.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    runner.send_signal(signal.SIGCONT)
    assert runner.wait(20) == 0
    runner.stdout.close()
    taken = record_of(read_events(tmp_path / "run" / "events.jsonl")).samples["api"]
    missed = [sample for sample in taken if sample.note == "not sent: the prober was held up"]
    assert 30 <= len(missed) <= 55
    assert len({sample.at_s for sample in taken}) == len(taken) >= 100


def test_a_thousand_a_second(session, server):
    began, busy = time.monotonic(), time.process_time()
    with probing(session, server.url, rate_hz=1000.0):
        time.sleep(1.0)
    share = (time.process_time() - busy) / (time.monotonic() - began)
    taken = samples(session)
    assert len(taken) >= 990
    assert sum(sample.good for sample in taken) / len(taken) > 0.99
    assert share < 0.9


def test_a_busy_main_thread_is_no_gap(session, server):
    with probing(session, server.url, rate_hz=100.0):
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            sum(range(1000))
    taken = samples(session)
    assert all(sample.good for sample in taken)
    assert sorted(sample.latency_s for sample in taken)[len(taken) // 2] < BUSY_S


@contextmanager
def answering(answer, *, close=True):
    """A server that sends these bytes to whoever asks."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = []

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connection.recv(65536)
                connection.sendall(answer)
                if close:
                    connection.close()
                else:
                    held.append(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort", "cut off"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP"),
        (b"", "closed"),
    ],
)
def test_what_is_no_whole_answer_is_bad(session, answer, note):
    with answering(answer) as url, probing(session, url, rate_hz=20.0):
        time.sleep(0.12)
    assert {sample.note for sample in samples(session)} == {note}
    assert {sample.good for sample in samples(session)} == {note == ""}


def test_a_whole_answer_counts_although_the_server_keeps_the_connection(session):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with answering(answer, close=False) as url, probing(session, url, rate_hz=20.0):
        time.sleep(0.12)
    assert {sample.note for sample in samples(session)} == {""}


def test_an_unknown_host_is_bad_and_said_so(session):
    with probing(session, "http://no-such-host.invalid/", rate_hz=20.0, timeout_s=5.0):
        time.sleep(0.1)
    assert {sample.note for sample in samples(session)} == {"no such host"}


def test_it_leaves_no_thread_and_no_open_file(session, server):
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    with probing(session, server.url, rate_hz=100.0) as prober:
        time.sleep(0.1)
    prober.stop()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host/", "write http://HOST:PORT/PATH"),
        ("http:///path", "write http://HOST:PORT/PATH"),
        ("http://host:99999/", "no web address"),
        ("http://user:secret@host/", "without credentials"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(session, url, why):
    with pytest.raises(BadUsage, match=why) as told:
        Prober("api", url, sampler=session.sampler("api"))
    assert "secret" not in str(told.value)
