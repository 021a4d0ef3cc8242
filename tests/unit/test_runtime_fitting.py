"""Arguments as files give them: what fits is made to fit, and all else is one line that names the argument."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.docker.actions import kill as docker_kill
from chaoslab.http.probes import metric, recovered
from chaoslab.network.shaping import delay
from chaoslab.process.actions import kill, pause
from chaoslab.redis.actions import evict
from chaoslab.runtime.actions import wait
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.fitting import check_arguments, fitted, signature_of

HUGE = 10**400


def one(action, **arguments):
    [value] = fitted(pin_of(action), arguments).values()
    return value


@pytest.mark.parametrize(
    ("action", "given", "taken"),
    [
        (kill, {"pid": "4711"}, 4711),
        (kill, {"pid": ""}, 0),
        (kill, {"port": 8080}, "8080"),
        (kill, {"tree": True}, True),
        (docker_kill, {"supervised": True}, True),
        (pause, {"ttl": 60}, 60),
        (pause, {"ttl": 0.5}, 0.5),
        (delay, {"peers": ["10.0.0.1"]}, ["10.0.0.1"]),
        (delay, {"ports": [5432, "8000-8010"]}, [5432, "8000-8010"]),
        (delay, {"no_such": 1}, 1),
        (evict, {"pattern": "über *[a-z]?"}, "über *[a-z]?"),
    ],
)
def test_what_can_be_meant_in_one_way_only_is_taken(action, given, taken):
    assert one(action, **given) == taken


@pytest.mark.parametrize("value", [None, True, 1.5, float("nan"), [], ["a"], {}, {"a": 1}, HUGE])
def test_a_name_is_text(value):
    with pytest.raises(BadUsage, match=r"^pattern: must be text, and is "):
        one(evict, pattern=value)


@pytest.mark.parametrize("value", [None, True, 1.5, float("inf"), "5x", "1_0", "٤", "0x10", [1], {}])
def test_a_pid_is_a_number(value):
    with pytest.raises(BadUsage, match=r"^pid: must be a number, and is "):
        one(kill, pid=value)


@pytest.mark.parametrize("value", ["a\0b", "\x1b[2J", "a\x7f", "\ud800", "\x9b31m"])
def test_what_no_name_has_is_refused_before_a_program_or_the_ledger_sees_it(value):
    for action, name in ((evict, "pattern"), (kill, "name"), (delay, "interface")):
        with pytest.raises(BadUsage, match=rf"^{name}: .* has the character U\+"):
            one(action, **{name: value})
    with pytest.raises(BadUsage, match=r"^peers: "):
        one(delay, peers=["10.0.0.1", value])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_no_duration(value):
    with pytest.raises(BadUsage, match=r"^ttl: must be text, and is "):
        one(pause, ttl=value)


def test_other_steps_say_how_long_too():
    check_arguments(recovered, {"stable": "3s", "within": 5, "prober": "soon"})
    with pytest.raises(BadUsage, match=r"^duration: 'soon' is not a duration"):
        check_arguments(wait, {"duration": "soon"})


def test_other_steps_say_what_reads_their_arguments():
    check_arguments(metric, {"at_least": 3, "at_most": "", "grows": "1e3"})
    for wrong in ({"at_least": "many"}, {"grows": True}, {"name": 5.5}):
        with pytest.raises(BadUsage, match=rf"^{next(iter(wrong))}: "):
            check_arguments(metric, wrong)


def test_a_choice_of_packets_that_is_misspelt_is_no_argument():
    """Left out in silence, it would hit all the others too."""
    signature = signature_of(delay)
    assert signature.bind(interface="lo", latency="1s", ports=5432).arguments["ports"] == 5432
    with pytest.raises(TypeError, match="'prots'"):
        signature.bind(interface="lo", latency="1s", prots=5432)
