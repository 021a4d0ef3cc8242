"""Which containers are meant by a pattern, a number, a share or chance."""

import re

import pytest

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.docker.choosing import choose, is_named

TEAM = [{"Name": f"/shop-web-{n}", "Id": f"{n:x}" * 64} for n in range(9, 0, -1)]


def names(which):
    return [one["Name"].removeprefix("/shop-web-") for one in choose(TEAM, which, "has the labels team=web")]


def test_chance_is_the_same_for_the_same_seed_whatever_the_order():
    assert names("random 7") == names("1 random 7")
    assert choose(TEAM, "3 random 7", "") == choose(TEAM[::-1], "3 random 7", "")
    assert len(names("50% random 7")) == 4
    assert {names(f"random {seed}")[0] for seed in range(100)} == set("123456789")
    assert names("2") == ["1", "2"]
    assert names("all random 7") == names("all")


@pytest.mark.parametrize("which", ["random", "random x", "random -1", "x random 7", "0 random 7", "7 random", "-1"])
def test_what_makes_no_sense_is_told(which):
    with pytest.raises(BadUsage, match=re.escape(f"which: {which!r} is none of these: a number")):
        names(which)


def test_more_than_there_are_is_refused():
    with pytest.raises(Refused, match="10 containers are meant, and only 9 fit"):
        names("10 random 7")


@pytest.mark.parametrize(
    ("container", "is_meant"),
    [
        ("shop-web-1", True),
        ("shop-web", False),
        ("re:^shop-web-", True),
        ("re2:web", True),
        ("re:^web", False),
        ("re:[1-3]$", True),
        ("1111", True),
        ("111", False),
    ],
)
def test_a_name_a_pattern_or_the_beginning_of_an_id(container, is_meant):
    assert is_named(TEAM[-1], container) is is_meant


@pytest.mark.parametrize(("container", "told"), [("re:(", "no regular expression"), ("re:.*", "fits every name")])
def test_a_pattern_that_makes_no_sense_is_told(container, told):
    with pytest.raises(BadUsage, match=told):
        is_named(TEAM[0], container)
