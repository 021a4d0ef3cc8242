"""Arguments that are refused, each by its name and in the same words whichever fault has them."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.runtime.arguments import (
    latency_and_jitter,
    one_of,
    seconds_up_to,
    share_above_zero,
    share_or_size,
)


def test_what_makes_sense_is_read():
    assert seconds_up_to("wait", "10s", most_s=10.0) == 10.0
    assert latency_and_jitter("200ms", "200ms", most_s=1.0) == (0.2, 0.2)
    assert share_above_zero("share", "0.1%") == pytest.approx(0.001)
    assert share_or_size("5%", "") == (0.05, 0)
    assert share_or_size("", "1KiB") == (0.0, 1024)
    assert one_of("kind", "", ("", "normal")) == ""


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda: seconds_up_to("wait", "0s", most_s=60.0), "wait: must be above 0s and at most 1m"),
        (lambda: seconds_up_to("wait", "61s", most_s=60.0, hint="all wait"), "at most 1m; all wait"),
        (lambda: latency_and_jitter("0s", "0s", most_s=1.0), "latency: must be above 0s and at most 1s"),
        (lambda: latency_and_jitter("10ms", "11ms", most_s=1.0), "jitter: must be at most the latency, 10ms"),
        (lambda: share_above_zero("share", "0%"), "share: must be above 0%"),
        (lambda: share_above_zero("share", "101%"), "share: '101%' is more than everything"),
        (lambda: share_or_size("", ""), "give either share or size"),
        (lambda: share_or_size("5%", "1KiB"), "give either share or size"),
        (lambda: share_or_size("0%", ""), "share: must be above 0%"),
        (lambda: share_or_size("", "0B"), "size: must be above zero"),
        (lambda: one_of("kind", "x", ("", "normal", "replica")), "kind: 'x' is none of normal, replica$"),
    ],
)
def test_what_makes_none_is_refused_by_name(read, told):
    with pytest.raises(BadUsage, match=told):
        read()
