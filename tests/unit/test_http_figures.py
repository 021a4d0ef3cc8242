"""Figures in Prometheus's text format, and words in JSON answers, are read as they are meant."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.http.figures import field_of, labels_of, total_of

TEXT = """\
# HELP x_total what it counts
# TYPE x_total counter
x_total{a="1",b="two"} 3
x_total{a="1",b="three, with \\"quotes\\" and a } brace"} 4.5 1700000000000
x_total{a="2"} +Inf
x_total_created 9
plain 7
nonsense
"""


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("x_total", {"a": "1"}, 7.5),
        ("x_total", {"b": 'three, with "quotes" and a } brace'}, 4.5),
        ("x_total", {"a": "2"}, float("inf")),
        ("x_total", {"a": "3"}, None),
        ("x_total", {"c": "1"}, None),
        ("plain", {}, 7.0),
        ("x", {}, None),
    ],
)
def test_samples_with_the_labels_count_together(name, labels, expected):
    assert total_of(TEXT, name, labels) == expected


def test_labels_are_pairs():
    assert labels_of("") == {}
    assert labels_of("name=downstream, state=open") == {"name": "downstream", "state": "open"}
    with pytest.raises(BadUsage, match="is not of the form name=value"):
        labels_of("open")


def test_a_field_is_found_or_nothing():
    body = b'{"status": "UP", "components": {"db": {"status": "DOWN"}}}'
    assert field_of(body, "components.db.status") == "DOWN"
    assert field_of(body, "components.redis.status") is None
    assert field_of(body, "status.more") is None
    assert field_of(b"<html>", "status") is None
