"""The HTTP proxy carries everything as it is, and does to some requests what it is told."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from waiting import until

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.http.actions import abort, delay, fail
from chaoslab.runtime.fault import fault_of, pin_of
from chaoslab.runtime.proxyclient import ProxyClient, ProxyRefused

BIG = b"x" * 3_000_000


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: t\r\n\r\n")
        elif self.path == "/until-closed":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BIG)
            self.close_connection = True
        elif self.path == "/switch":
            self.send_response(101)
            self.send_header("Upgrade", "echo")
            self.end_headers()
            self.wfile.write(self.rfile.read(4)[::-1])
            self.close_connection = True
        else:
            self.whole(self.path.encode())

    do_HEAD = do_GET

    def do_POST(self):
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self.chunks()
        self.whole(body)

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size + 2)[:-2]
        self.rfile.readline()
        return body

    def whole(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *told):
        """Stay quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *client):
        """Stay quiet: clients are meant to break off."""


@pytest.fixture(scope="module")
def server():
    made = Server(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(scope="module")
def proxy(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxy")
    state = folder / "state.json"
    words = ["--upstream", f"127.0.0.1:{server.server_port}", "--control", str(folder / "p.sock"), "--state", state]
    process = subprocess.Popen([sys.executable, "-m", "chaoslab.http.proxy", *words])
    deadline = time.monotonic() + 60
    while not state.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield json.loads(state.read_text())
    process.terminate()
    assert process.wait(60) == 0
    assert not (folder / "p.sock").exists()


@pytest.fixture
def control(proxy):
    client = ProxyClient(proxy["control"])
    yield client
    for name in client.toxics():
        client.remove(name)


def ask(proxy, path="/x", method="GET", body=None):
    connection = http.client.HTTPConnection(proxy["listen"], timeout=60)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionResetError:
        return "reset", b""
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "expected"), [("/x?y=z", b"/x?y=z"), ("/chunked", b"abcdefgh"), ("/until-closed", BIG)]
)
def test_answers_pass_as_they_are(proxy, path, expected):
    assert ask(proxy, path) == (200, expected)


def test_bodies_pass_as_they_are(proxy):
    assert ask(proxy, method="POST", body=BIG) == (200, BIG)
    assert ask(proxy, method="POST", body=iter([b"one", b"two"])) == (200, b"onetwo")
    assert ask(proxy, method="HEAD") == (200, b"")


def test_a_connection_is_kept_and_requests_may_come_at_once(proxy):
    connection = http.client.HTTPConnection(proxy["listen"], timeout=60)
    for number in range(20):
        connection.request("GET", f"/{number}")
        assert connection.getresponse().read() == f"/{number}".encode()
    connection.close()
    with raw(proxy) as client:
        client.sendall(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert [part[-2:] for part in until_closed(client).split(b"HTTP/1.1 200")[1:]] == [b"/a", b"/b"]


def test_a_switch_of_protocols_is_a_tunnel(proxy):
    with raw(proxy) as client:
        client.sendall(b"GET /switch HTTP/1.1\r\nUpgrade: echo\r\n\r\n")
        client.sendall(b"abcd")
        assert until_closed(client).endswith(b"\r\n\r\ndcba")


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\r\n\r\n", b"GET /\r\n\r\n", b"x" * 100_000])
def test_what_is_no_http_is_not_carried(proxy, nonsense):
    with raw(proxy) as client, contextlib.suppress(ConnectionError):
        client.sendall(nonsense)
        assert client.recv(65536) == b""


def raw(proxy):
    host, _, port = proxy["listen"].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def until_closed(client):
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def test_only_the_chosen_route_and_method_fail(proxy, control):
    control.add("f", "fail", route="/things/{id}", method="GET", status=418)
    assert ask(proxy, "/things/7")[0] == 418
    assert ask(proxy, "/things/7?a=/b")[0] == 418
    for path, method in [("/things", "GET"), ("/things/7/more", "GET"), ("/other", "GET"), ("/things/7", "POST")]:
        assert ask(proxy, path, method, b"" if method == "POST" else None)[0] == 200
    assert control.state()["met"]["f"]["times"] == 2


def test_a_share_is_about_that_share(proxy, control):
    control.add("f", "fail", route="/*", share=0.3, status=500)
    seen = Counter(ask(proxy)[0] for _ in range(300))
    assert 50 <= seen[500] <= 135, "the chance of more or less is below one in a million"
    assert seen[200] == 300 - seen[500]


def test_a_failed_body_does_not_spoil_the_connection(proxy, control):
    control.add("f", "fail", route="/no", status=503)
    connection = http.client.HTTPConnection(proxy["listen"], timeout=60)
    for path, status in [("/no", 503), ("/yes", 200), ("/no", 503)]:
        connection.request("POST", path, b"y" * 200_000)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_an_abort_is_a_reset(proxy, control):
    control.add("a", "abort", route="/*", method="POST")
    assert ask(proxy, method="POST", body=b"z")[0] == "reset"
    assert ask(proxy)[0] == 200


def test_what_is_held_goes_on_at_once_when_the_rule_is_gone(proxy, control):
    control.add("d", "delay", route="/slow", delay_s=25, jitter_s=0)
    found = []
    begin = time.monotonic()
    thread = threading.Thread(target=lambda: found.append(ask(proxy, "/slow")))
    thread.start()
    assert ask(proxy, "/quick")[0] == 200
    while control.state()["connections"] == 0 and time.monotonic() < begin + 10:
        time.sleep(0.01)
    control.remove("d")
    thread.join()
    assert found == [(200, b"/slow")]
    assert time.monotonic() - begin < 20


def test_whoever_gives_up_is_not_carried_further(proxy, control):
    control.add("d", "delay", route="/slow", delay_s=60, jitter_s=0)
    with raw(proxy) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        until(lambda: control.state()["connections"] == 1)
    until(lambda: control.state()["connections"] == 0)
    assert control.state()["met"]["d"]["times"] == 1


def test_a_rule_ends_by_itself(proxy, control):
    control.add("f", "fail", route="/*", status=500, ttl_s=0.3)
    until(lambda: control.toxics() == {})
    assert ask(proxy)[0] == 200


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "break", "route": "/*"}, "unknown kind 'break': one of fail, delay, abort"),
        ({"kind": "fail", "status": 500}, "route must be a path"),
        ({"kind": "fail", "route": "/*"}, "fail needs status"),
        ({"kind": "fail", "route": "/*", "status": 200}, "status must be one from 400 to 599"),
        ({"kind": "abort", "route": "/*", "share": 0}, "share must be above 0"),
        ({"kind": "abort", "route": "/*", "share": 1.5}, "share must be above 0 and at most 1"),
        ({"kind": "abort", "route": "/*", "delay_s": 1}, "abort has no parameter 'delay_s'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(proxy, control, rule, said):
    with pytest.raises(ProxyRefused, match=said):
        control.add("x", **rule)


@pytest.mark.parametrize(
    ("action", "arguments", "said"),
    [
        (fail, {"route": "", "share": "50%"}, "route: '' is no path"),
        (fail, {"route": "/*", "share": "0%"}, "share: must be above 0%"),
        (fail, {"route": "/*", "share": "101%"}, "share: "),
        (fail, {"route": "/*", "status": "ok"}, "status: 'ok' is none from 400 to 599"),
        (fail, {"route": "/*", "method": "LOOK"}, "method: 'LOOK' is none of GET"),
        (fail, {"route": "/*", "ttl": "0s"}, "ttl: must be longer than zero"),
        (delay, {"route": "/*", "latency": "1h"}, "latency: must be above 0s and at most"),
        (delay, {"route": "/*", "latency": "1s", "jitter": "2s"}, "jitter: must be at most the latency"),
        (abort, {"route": "things"}, "route: 'things' is no path"),
    ],
)
def test_an_argument_that_makes_no_sense_is_named(proxy, action, arguments, said):
    with pytest.raises(BadUsage, match=said):
        pin_of(action)(proxy=proxy["control"], **arguments)


def test_what_stands_already_is_refused_and_so_is_a_proxy_of_another_protocol(proxy, control, server, tmp_path):
    pinned = pin_of(abort)(proxy=proxy["control"], route="/*")
    fault_of(abort).inject(pinned.data)
    assert not fault_of(abort).effective(pinned.data), "nobody has asked for anything yet"
    assert ask(proxy)[0] == "reset"
    assert fault_of(abort).effective(pinned.data)
    with pytest.raises(Refused, match="abort stands already"):
        pin_of(abort)(proxy=proxy["control"], route="/*")
    with pytest.raises(Refused, match="does not answer"):
        pin_of(abort)(proxy=str(tmp_path / "none.sock"), route="/*")
