"""The real proxy as a process of its own, between real sockets."""

import contextlib
import hashlib
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "support"))
from proxy_peers import Running, Upstream, ask, is_silent, receive

from chaoslab.runtime.proxyclient import ProxyGone, ProxyRefused


@pytest.fixture
def upstream():
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture
def proxy(tmp_path, upstream):
    running = Running(tmp_path, upstream.address)
    yield running
    running.stop()


def test_it_carries_a_large_stream_both_ways_and_half_closes(proxy):
    block = os.urandom(1 << 20)
    want, got = hashlib.sha256(), hashlib.sha256()
    with proxy.connect() as connection:

        def send():
            for _ in range(32):
                connection.sendall(block)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        tail = b""
        while data := connection.recv(1 << 16):
            tail += data
            got.update(tail[:-64])
            tail = tail[-64:]
        sender.join()
    for _ in range(32):
        want.update(block)
    note = b"total %d" % (32 << 20)
    assert tail.endswith(note)
    got.update(tail[: -len(note)])
    assert got.digest() == want.digest()


def test_it_serves_many_clients_at_once(proxy):
    failures = []

    def one(number):
        try:
            with proxy.connect() as connection:
                for turn in range(20):
                    message = b"%d:%d" % (number, turn)
                    assert ask(connection, message) == message
        except (OSError, AssertionError) as wrong:
            failures.append(repr(wrong))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_slow_reader_holds_its_sender_back(tmp_path):
    """A server that does not read: the proxy must not take in everything that the client has."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        running = Running(tmp_path, f"127.0.0.1:{deaf.getsockname()[1]}")
        sent = 0
        try:
            with running.connect(timeout=1) as connection, contextlib.suppress(TimeoutError):
                while sent < 200 << 20:
                    sent += connection.send(b"x" * (1 << 20))
        finally:
            assert running.stop() == 0, "it ends although data is stuck in it"
        assert sent < 64 << 20


def round_trip_s(connection):
    begin = time.monotonic()
    ask(connection)
    return time.monotonic() - begin


def test_latency_delays_a_round_trip_once_and_goes_when_removed(proxy):
    with proxy.connect() as connection:
        ask(connection)
        said = proxy.client.add("slow", "latency", latency_s=0.2)
        assert said == {"kind": "latency", "latency_s": 0.2, "jitter_s": 0.0, "direction": "downstream"}
        took = round_trip_s(connection)
        assert took >= 0.2
        assert min(took, *(round_trip_s(connection) for _ in range(5))) < 0.4, "it is delayed once, not both ways"
        proxy.client.remove("slow")
        assert min(round_trip_s(connection) for _ in range(10)) < 0.2


def test_latency_does_not_narrow_the_stream(proxy):
    proxy.client.add("slow", "latency", latency_s=0.3, jitter_s=0.1, direction="both")
    data = os.urandom(8 << 20)
    with proxy.connect(timeout=60) as connection:
        begin = time.monotonic()
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        assert receive(connection, len(data)) == data
        sender.join()
        # Were each piece held back after the one before it, 128 pieces of 64 KiB would take 38 s.
        assert time.monotonic() - begin < 30


def test_a_throttle_bounds_all_connections_together(proxy):
    proxy.client.add("thin", "throttle", bytes_per_s=100_000, direction="upstream")
    begin = time.monotonic()
    with proxy.connect() as one, proxy.connect() as two:
        for connection in (one, two):
            connection.sendall(b"x" * 30_000)
        assert len(receive(one, 30_000)) == len(receive(two, 30_000)) == 30_000
    assert time.monotonic() - begin > 0.45


def test_a_blackhole_holds_what_is_sent_and_a_heal_delivers_it(proxy, upstream):
    with proxy.connect() as old:
        ask(old)
        proxy.client.add("dark", "blackhole")
        old.sendall(b"held")
        with proxy.connect() as new:
            new.sendall(b"also held")
            assert is_silent(old, 0.3)
            assert is_silent(new, 0.1)
            assert upstream.accepted == 1, "nobody reaches the server through a blackhole"
            proxy.client.remove("dark")
            assert receive(old, 4) == b"held"
            assert receive(new, 9) == b"also held"


def test_clients_that_gave_up_in_a_blackhole_do_not_reach_the_server_after_it(proxy, upstream):
    proxy.client.add("dark", "blackhole")
    for _ in range(20):
        with proxy.connect() as connection:
            connection.sendall(b"hello?")
    until(lambda: proxy.client.state()["accepted"] == 20, "all have come")
    proxy.client.remove("dark")
    with proxy.connect() as connection:
        assert ask(connection) == b"ping"
    assert upstream.accepted == 1
    assert proxy.client.state()["connections"] <= 1


def test_a_share_of_the_connections_is_reset_and_the_others_go_on(proxy):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(proxy.connect()) for _ in range(64)]
        for connection in connections:
            ask(connection)
        proxy.client.add("some", "reset", share=0.5)
        broken = 0
        for connection in connections:
            try:
                assert ask(connection) == b"ping"
            except OSError:
                broken += 1
    assert 0 < broken < 64
    assert proxy.client.state()["met"]["some"]["times"] == broken


def test_reset_breaks_open_and_new_connections(proxy):
    with proxy.connect() as old, proxy.connect() as waiting:
        ask(old)
        proxy.client.add("dark", "blackhole")
        waiting.sendall(b"?")
        proxy.client.add("broken", "reset")
        for connection in (old, waiting):
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with pytest.raises(ConnectionResetError), proxy.connect() as new:
            new.recv(1)
        proxy.client.remove("broken")
        proxy.client.remove("dark")
        with proxy.connect() as new:
            assert ask(new) == b"ping"


def test_refuse_refuses_new_connections_and_keeps_open_ones_and_the_port(proxy):
    with proxy.connect() as old:
        ask(old)
        proxy.client.add("closed", "refuse")
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                proxy.connect()
        assert ask(old) == b"ping"
        with socket.socket() as thief, pytest.raises(OSError, match="in use"):
            thief.bind(proxy.address)
        proxy.client.remove("closed")
        with proxy.connect() as new:
            assert ask(new) == b"ping"


def test_a_toxic_heals_by_itself_when_its_time_is_up(proxy):
    with proxy.connect() as connection:
        ask(connection)
        proxy.client.add("dark", "blackhole", ttl_s=0.4)
        begin = time.monotonic()
        assert ask(connection) == b"ping"
        assert time.monotonic() - begin > 0.35
    assert proxy.client.toxics() == {}


def test_a_dead_upstream_is_a_reset_and_no_end_of_the_proxy(proxy, upstream):
    upstream.stop()
    with pytest.raises(ConnectionResetError), proxy.connect() as connection:
        connection.recv(1)
    assert proxy.process.poll() is None


def test_a_client_that_resets_is_passed_on_and_forgotten(proxy):
    connection = proxy.connect()
    ask(connection)
    assert proxy.client.state()["connections"] == 1
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
    until(lambda: proxy.client.state()["connections"] == 0, "it is forgotten")


def test_removing_twice_is_harmless_and_names_may_hold_anything(proxy):
    name = "a/b c?ü"
    proxy.client.add(name, "latency", latency_s=0)
    assert list(proxy.client.toxics()) == [name]
    proxy.client.remove(name)
    proxy.client.remove(name)
    assert proxy.client.toxics() == {}


def test_nonsense_is_refused_with_the_reason(proxy):
    with pytest.raises(ProxyRefused, match="unknown kind 'lag': one of latency"):
        proxy.client.add("x", "lag")
    with pytest.raises(ProxyRefused, match="latency needs latency_s"):
        proxy.client.add("x", "latency")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(proxy.control))
        raw.sendall(b"\x00\xff nonsense\r\n\r\n")
        assert raw.recv(100) == b""
    assert proxy.client.toxics() == {}


def test_only_its_owner_may_control_it(proxy):
    assert proxy.control.stat().st_mode & 0o777 == 0o600


def test_a_deep_folder_is_no_obstacle(tmp_path, upstream):
    deep = tmp_path.joinpath(*["quite-a-long-name-for-a-folder"] * 6)
    deep.mkdir(parents=True)
    running = Running(deep, upstream.address)
    assert running.client.state()["upstream"] == upstream.address
    assert running.stop() == 0


def test_a_killed_proxy_is_gone_and_its_successor_is_healthy(tmp_path, upstream):
    first = Running(tmp_path, upstream.address)
    first.client.add("dark", "blackhole")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    with pytest.raises(ProxyGone, match=r"the proxy at .*proxy.sock does not answer"):
        first.client.remove("dark")
    second = Running(tmp_path, upstream.address, "{}:{}".format(*first.address))
    with second.connect() as connection:
        assert ask(connection) == b"ping"
    assert second.client.toxics() == {}
    assert second.stop() == 0
    assert not second.control.exists()
    with pytest.raises(ProxyGone):
        second.client.state()
