"""The prober against real servers whose outages are known.

How exact it is stands in benchmarks/prober.py. A machine that has no time for us delays anything; what holds all the
same is that a question asked and answered within an outage was answered badly, and one outside of it well.
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
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "support"))
from http_targets import probing, running_server, running_session, samples, until_sampled

from chaoslab.core.errors import BadUsage
from chaoslab.core.record import record_of
from chaoslab.core.stalls import HELD_UP
from chaoslab.http.prober import Prober
from chaoslab.runtime.runlog import read_events


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
        begin, end = server.outage(1.0, 0.7)
        until_sampled(session, 20, after_mono_s=end)
    asked = [sample for sample in samples(session) if sample.note != HELD_UP]
    begin_s, end_s = (instant - session.log.origin_mono_s for instant in (begin, end))
    before = [sample for sample in asked if sample.at_s + sample.latency_s < begin_s]
    during = [sample for sample in asked if begin_s <= sample.at_s and sample.at_s + sample.latency_s < end_s]
    after = [sample for sample in asked if sample.at_s >= end_s]
    assert all((before, during, after))
    assert {sample.note for sample in before + after} == {""}
    assert {sample.note for sample in during} == {"503"}


def test_the_schedule_is_kept_and_every_slot_has_one_sample(session, server):
    with probing(session, server.url, rate_hz=100.0):
        begin = time.monotonic()
        time.sleep(1.0)
        took_s = time.monotonic() - begin
    taken = samples(session)
    assert len(taken) >= took_s * 100
    steps = [round(later.at_s - earlier.at_s, 3) for earlier, later in pairwise(taken)]
    assert set(steps) == {0.01}
    assert any(sample.good for sample in taken)


def test_a_stall_is_charged_to_all_who_would_have_waited_in_it(session, server):
    with probing(session, server.url, rate_hz=50.0, timeout_s=60.0):
        begin, end = server.outage(0.5, 0.5, "silent")
        until_sampled(session, 5, after_mono_s=end)
    begin_s, end_s = (instant - session.log.origin_mono_s for instant in (begin, end))
    in_stall = [sample for sample in samples(session) if begin_s <= sample.at_s < end_s]
    assert len(in_stall) >= 24
    for sample in (sample for sample in in_stall if sample.note != HELD_UP):
        assert sample.good
        assert sample.at_s + sample.latency_s >= end_s - 0.002


def test_a_stopped_server_is_a_timeout_and_the_number_in_flight_is_bounded(session, server):
    with probing(session, server.url, rate_hz=100.0, timeout_s=0.4, max_in_flight=10):
        until(lambda: good_since(session, 0.0))
        server.process.send_signal(signal.SIGSTOP)
        until(lambda: told(session, "timeout") and told(session, "not sent: 10 unanswered"))
        server.process.send_signal(signal.SIGCONT)
        going_on = time.monotonic()
        until(lambda: good_since(session, going_on))
    taken = samples(session)
    assert {sample.note for sample in taken} - {HELD_UP} == {"", "timeout", "not sent: 10 unanswered"}
    assert all(sample.latency_s >= 0.39 for sample in taken if sample.note == "timeout")


def good_since(session, mono_s):
    return any(sample.good for sample in session.sampler("api").since(mono_s - session.log.origin_mono_s))


def told(session, note):
    return any(sample.note == note for sample in samples(session))


def test_a_killed_server_is_refused_at_once(session, server):
    with probing(session, server.url, rate_hz=100.0):
        until_sampled(session, 5)
        server.process.kill()
        server.process.wait()
        killed_s = session.now_s()
        until_sampled(session, 15, after_mono_s=time.monotonic())
    after = [sample for sample in samples(session) if sample.at_s > killed_s]
    assert {sample.note for sample in after} - {HELD_UP} == {"refused"}


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
    assert runner.wait(60) == 0
    runner.stdout.close()
    record = record_of(read_events(tmp_path / "run" / "events.jsonl"))
    taken = record.samples["api"]
    missed = [sample for sample in taken if sample.note == HELD_UP]
    assert len(missed) >= 30
    longest = max(record.stalls["api"], key=lambda stall: stall.length_s)
    assert longest.length_s >= 0.45, "it knows that it was itself that stood still"
    assert all(longest.begin_s <= sample.at_s + 0.05 and sample.at_s < longest.end_s for sample in missed[:30])
    assert len({sample.at_s for sample in taken}) == len(taken) >= 100


def test_a_thousand_a_second(session, server):
    with probing(session, server.url, rate_hz=1000.0):
        time.sleep(1.0)
    taken = samples(session)
    assert len(taken) >= 1000, "also when it is held up in the end"
    assert sum(sample.good for sample in taken) > 20


def test_a_busy_main_thread_is_no_gap(session, server):
    with probing(session, server.url, rate_hz=100.0):
        deadline = time.monotonic() + 60.0
        while not (busy_for_s := len(session.sampler("api").since(0.0)) / 100) >= 0.7 and time.monotonic() < deadline:
            sum(range(1000))
    assert busy_for_s >= 0.7
    # Without turns of its own, it would be held up in every slot.
    assert sum(sample.good for sample in samples(session)) > 5


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
    with answering(answer) as url, probing(session, url, rate_hz=20.0, timeout_s=60.0):
        until_sampled(session, 2)
    asked = [sample for sample in samples(session) if sample.note != HELD_UP]
    assert {(sample.note, sample.good) for sample in asked} == {(note, note == "")}


def test_a_whole_answer_counts_although_the_server_keeps_the_connection(session):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with answering(answer, close=False) as url, probing(session, url, rate_hz=20.0, timeout_s=60.0):
        until_sampled(session, 2)
    assert {sample.note for sample in samples(session)} - {HELD_UP} == {""}


def test_an_unknown_host_is_bad_and_said_so(session):
    with probing(session, "http://no-such-host.invalid/", rate_hz=20.0, timeout_s=60.0):
        until_sampled(session, 2)
    assert {sample.note for sample in samples(session)} - {HELD_UP} == {"no such host"}


def test_it_leaves_no_thread_and_no_open_file(session, server):
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    with probing(session, server.url, rate_hz=100.0) as prober:
        until_sampled(session, 5)
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
