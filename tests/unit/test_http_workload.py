"""A mix of requests: shares, ranges, and what makes no sense."""

from collections import Counter

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.http.workload import Wanted, Workload, order_of

URL = "http://localhost:1"


def targets(workload, count):
    return [workload.next().request.data.split(b" ", 2)[1].decode() for _ in range(count)]


def test_each_kind_comes_as_often_as_it_weighs_and_never_in_a_heap():
    order = order_of([12, 6, 1, 1])
    assert Counter(order) == {0: 12, 1: 6, 2: 1, 3: 1}
    assert "000" not in "".join(map(str, order)).replace("1", "x"), "the frequent one lets the others in"
    assert order_of([1]) == [0]


def test_a_range_stands_for_each_of_its_numbers_in_turn():
    workload = Workload([Wanted(f"{URL}/things/{{9..11}}?x=1")])
    assert targets(workload, 4) == ["/things/9?x=1", "/things/10?x=1", "/things/11?x=1", "/things/9?x=1"]


def test_a_body_is_sent_as_json_with_its_length():
    question = Workload([Wanted(f"{URL}/x", "POST", expect=(201,), body=b'{"a": 1}'), Wanted(f"{URL}/y")]).next()
    head, _, body = question.request.data.partition(b"\r\n\r\n")
    assert body == b'{"a": 1}'
    assert b"Content-Length: 8" in head
    assert b"Content-Type: application/json" in head
    assert (question.expect, question.of) == ({201}, "POST /x")


def test_an_only_kind_needs_no_name_in_what_went_wrong():
    assert Workload([Wanted(f"{URL}/x")]).next().of == ""


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([], "there must be one"),
        ([Wanted(f"{URL}/x", weight=0)], "weights of 1 or more"),
        ([Wanted(f"{URL}/x", weight=9999), Wanted(f"{URL}/y", weight=9999)], "10000 at most"),
        ([Wanted(f"{URL}/{{9..3}}")], "a range goes up"),
        ([Wanted(f"{URL}/{{1..5000}}")], "by 1000 numbers at most"),
        ([Wanted("ftp://x/")], "is no web address"),
    ],
)
def test_what_makes_no_sense_is_named(wanted, said):
    with pytest.raises(BadUsage, match=said):
        Workload(wanted)
