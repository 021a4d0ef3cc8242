"""An answer is read the same, however the network cuts it into pieces."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.http.answer import Answer, NoHttp
from chaoslab.http.request import request_of

WHOLE = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
    "chunked": (b"HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    "no reason": (b"HTTP/1.0 503 \r\nContent-Length: 0\r\n\r\n", 503),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_an_answer_is_complete_at_its_last_byte_and_not_before(name, size):
    data, status = WHOLE[name]
    answer = Answer(bodiless=False)
    for begin in range(0, len(data), size):
        assert not answer.complete
        answer.feed(data[begin : begin + size])
    assert (answer.complete, answer.status) == (True, status)


def test_an_answer_to_head_has_no_body():
    answer = Answer(bodiless=True)
    answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    assert answer.complete


def test_a_body_without_length_ends_with_the_connection_and_others_are_cut_off_by_it():
    for head, complete in ((b"", True), (b"Content-Length: 9\r\n", False), (b"Transfer-Encoding: chunked\r\n", False)):
        answer = Answer(bodiless=False)
        answer.feed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\nhalf")
        assert not answer.complete
        answer.end()
        assert answer.complete is complete


@pytest.mark.parametrize(
    "data",
    [b"220 mail ready\r\n", b"\x16\x03\x01", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
)
def test_what_is_no_http_is_told(data):
    with pytest.raises(NoHttp):
        Answer(bodiless=False).feed(data)


def test_an_endless_head_is_no_http():
    answer = Answer(bodiless=False)
    answer.feed(b"HTTP/1.1 200 OK\r\n" + b"x" * 60_000 + b"\r\n")
    with pytest.raises(NoHttp):
        answer.feed(b"x" * 6_000)


@pytest.mark.parametrize(
    ("url", "line", "host"),
    [
        ("http://h/a?b=c%20d", b"GET /a?b=c%20d HTTP/1.1", b"Host: h\r\n"),
        ("http://h", b"GET / HTTP/1.1", b"Host: h\r\n"),
        ("http://[::1]:81/ü x", b"GET /%C3%BC%20x HTTP/1.1", b"Host: [::1]:81\r\n"),
        ("https://h.example/#part", b"GET / HTTP/1.1", b"Host: h.example\r\n"),
    ],
)
def test_a_request_is_written_once(url, line, host):
    request = request_of(url)
    assert request.data.startswith(line + b"\r\n" + host)
    assert request.data.endswith(b"\r\n\r\n")
    assert (request.tls is not None) is url.startswith("https")
    assert request.port == {"http://[::1]:81/ü x": 81}.get(url, 443 if request.tls else 80)


def test_a_request_that_may_have_a_body_says_that_it_has_none():
    assert b"Content-Length: 0\r\n" in request_of("http://h/", method="POST").data


def test_a_line_break_does_not_get_into_the_request():
    try:
        request = request_of("http://h/a\r\nEvil: 1")
    except BadUsage:
        return
    assert b"\r\nEvil" not in request.data
