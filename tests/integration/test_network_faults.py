"""The proxy's faults bite only when somebody's traffic meets them, and say so."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.network.actions import blackhole_tcp, delay_tcp, reset_tcp, throttle_tcp
from chaoslab.runtime import proxyfault
from chaoslab.runtime.fault import fault_of, pin_of
from chaoslab.runtime.proxyclient import ProxyClient, ProxyGone


@pytest.fixture
def upstream():
    """A server that echoes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def echo(connection):
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listening.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    listening.close()


class Running:
    def __init__(self, folder, upstream):
        self.control = folder / "proxy.sock"
        state = folder / "proxy.json"
        words = ["--upstream", f"127.0.0.1:{upstream}", "--control", str(self.control), "--state", str(state)]
        self.process = subprocess.Popen([sys.executable, "-m", "chaoslab.network.proxy", *words])
        while not state.exists():
            time.sleep(0.01)
        host, _, port = json.loads(state.read_text())["listen"].rpartition(":")
        self.address = (host, int(port))

    def connect(self):
        return socket.create_connection(self.address, timeout=60.0)

    def met(self, name):
        return ProxyClient(self.control).state()["met"][name]


@pytest.fixture
def proxy(tmp_path, upstream):
    running = Running(tmp_path, upstream)
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGCONT)
    running.process.kill()
    running.process.wait()


@contextmanager
def on(action, **arguments):
    """Inject without a run, so that each step can be looked at."""
    pinned = pin_of(action)(**arguments)
    fault = fault_of(action)
    fault.inject(pinned.data)
    try:
        yield fault, pinned.data
    finally:
        fault.undo(pinned.data)


def until_true(condition, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_delay_has_bitten_when_an_answer_was_measured_to_be_late(proxy):
    with proxy.connect() as client, on(delay_tcp, proxy=str(proxy.control), latency="2s") as (fault, data):
        assert not fault.effective(data), "nobody's traffic has met it"
        client.sendall(b"ping")
        time.sleep(0.05)
        assert not fault.effective(data), "it is not yet known how late the answer will be"
        assert client.recv(4) == b"ping"
        assert fault.effective(data)
        assert proxy.met(data["toxic"])["longest_s"] >= 2.0


def test_a_delay_has_bitten_when_its_client_gave_up(proxy):
    with on(delay_tcp, proxy=str(proxy.control), latency="8s") as (fault, data):
        client = proxy.connect()
        client.sendall(b"ping")
        assert until_true(lambda: ProxyClient(proxy.control).state()["accepted"] == 1)
        time.sleep(0.1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        assert until_true(lambda: fault.effective(data))


def test_a_blackhole_has_bitten_when_it_holds_a_piece_or_a_new_connection(proxy):
    with proxy.connect() as client:
        with on(blackhole_tcp, proxy=str(proxy.control)) as (fault, data):
            assert not fault.effective(data)
            client.sendall(b"ping")
            assert until_true(lambda: fault.effective(data))
        assert client.recv(4) == b"ping", "the undo lets it pass"
    with on(blackhole_tcp, proxy=str(proxy.control)) as (fault, data), proxy.connect():
        assert until_true(lambda: fault.effective(data))


def test_a_reset_bites_open_connections_at_once(proxy):
    with proxy.connect() as client:
        client.sendall(b"ping")
        client.recv(4)
        with on(reset_tcp, proxy=str(proxy.control)) as (fault, data):
            assert fault.effective(data)
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_a_reset_that_nobody_meets_has_not_bitten(proxy):
    with on(reset_tcp, proxy=str(proxy.control)) as (fault, data):
        assert not fault.effective(data)


def test_a_throttle_has_bitten_when_bytes_had_to_wait(proxy):
    with (
        proxy.connect() as client,
        on(throttle_tcp, proxy=str(proxy.control), rate="10kB", direction="upstream") as (fault, data),
    ):
        assert not fault.effective(data)
        client.sendall(b"x" * 1000)
        assert until_true(lambda: fault.effective(data))
        assert proxy.met(data["toxic"])["longest_s"] > 0.0


def test_two_different_faults_stand_together_and_each_undo_takes_its_own(proxy):
    control = str(proxy.control)
    with on(delay_tcp, proxy=control, latency="50ms"), on(delay_tcp, proxy=control, latency="90ms"):
        assert len(ProxyClient(control).toxics()) == 2
    assert ProxyClient(control).toxics() == {}


def test_the_same_fault_twice_is_refused(proxy):
    with (
        on(blackhole_tcp, proxy=str(proxy.control)),
        pytest.raises(Refused, match="blackhole stands already at the proxy .*; wait for its end"),
    ):
        pin_of(blackhole_tcp)(proxy=str(proxy.control))


def test_a_relative_path_still_leads_to_the_proxy_from_elsewhere(proxy, monkeypatch):
    monkeypatch.chdir(proxy.control.parent)
    data = pin_of(blackhole_tcp)(proxy=proxy.control.name).data
    assert data["proxy"] == str(proxy.control)


def test_a_silent_proxy_keeps_its_fault_and_a_dead_one_does_not(proxy, monkeypatch):
    monkeypatch.setattr(proxyfault, "ProxyClient", partial(ProxyClient, timeout_s=0.2))
    pinned = pin_of(blackhole_tcp)(proxy=str(proxy.control))
    fault = fault_of(blackhole_tcp)
    fault.inject(pinned.data)
    proxy.process.send_signal(signal.SIGSTOP)
    with pytest.raises(ProxyGone, match="does not answer"):
        fault.undo(pinned.data)
    proxy.process.kill()
    proxy.process.wait()
    fault.undo(pinned.data)


def test_the_proxy_heals_by_itself_when_runner_and_reaper_are_dead(proxy):
    pinned = pin_of(blackhole_tcp)(proxy=str(proxy.control), ttl="300ms")
    fault_of(blackhole_tcp).inject(pinned.data)
    assert until_true(lambda: ProxyClient(proxy.control).toxics() == {})


@pytest.mark.parametrize(
    ("action", "arguments", "why"),
    [
        (delay_tcp, {"latency": "0s"}, "latency: must be above 0s and at most 10s"),
        (delay_tcp, {"latency": "11s"}, "latency: must be above 0s and at most 10s"),
        (delay_tcp, {"latency": "200"}, "latency: .* its unit is missing"),
        (delay_tcp, {"latency": "10ms", "jitter": "20ms"}, "jitter: must be at most the latency, 10ms"),
        (delay_tcp, {"latency": "10ms", "direction": "up"}, "direction: 'up' is none of"),
        (throttle_tcp, {"rate": "0B"}, "rate: must be above zero"),
        (throttle_tcp, {"rate": "64"}, "rate: "),
        (throttle_tcp, {"rate": "1MB", "direction": ""}, "direction: '' is none of"),
        (blackhole_tcp, {"ttl": "0s"}, "ttl: must be longer than zero"),
    ],
)
def test_arguments_that_make_no_sense_are_told_and_touch_nothing(proxy, action, arguments, why):
    with pytest.raises(BadUsage, match=why):
        pin_of(action)(proxy=str(proxy.control), **arguments)
    assert ProxyClient(proxy.control).toxics() == {}


def test_no_proxy_is_one_clear_refusal(tmp_path):
    with pytest.raises(Refused, match=f"refused by proxy: the proxy at {tmp_path}/none.sock does not answer"):
        pin_of(reset_tcp)(proxy=os.fspath(tmp_path / "none.sock"))
