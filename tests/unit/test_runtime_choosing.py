"""Which of several that fit are meant by a number, a share or chance, and what a pattern chooses."""

import re

import pytest

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.docker.target import is_named
from chaoslab.runtime.choosing import chosen

TEAM = [f"web-{n}" for n in range(1, 10)]


def names(which, fitting=TEAM):
    return chosen(fitting, which, guard="team", fit="fit the team", name=str)


def test_chance_is_the_same_for_the_same_seed():
    assert names("random 7") == names("1 random 7") == names("random 7")
    assert len(names("50% random 7")) == 4
    assert {names(f"random {seed}")[0] for seed in range(100)} == set(TEAM)
    assert names("3 random 7") == sorted(names("3 random 7"))
    assert names("all random 7") == names("all") == TEAM
    assert names("2") == TEAM[:2]
    assert names("1%") == TEAM[:1]


def test_one_that_fits_needs_no_word_and_several_do():
    assert names("", TEAM[:1]) == TEAM[:1]
    with pytest.raises(Refused, match=r"9 fit the team: web-1, .*web-8 and 1 more; name one, or say `which`: all"):
        names("")


@pytest.mark.parametrize("which", ["random", "random x", "random -1", "x random 7", "0 random 7", "7 random", "-1"])
def test_what_makes_no_sense_is_told(which):
    with pytest.raises(BadUsage, match=re.escape(f"which: {which!r} is none of these: all, a number")):
        names(which)


def test_more_than_there_are_is_refused():
    with pytest.raises(Refused, match="10 are meant, and only 9 fit the team: web-1"):
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
def test_a_container_has_a_name_fits_a_pattern_or_has_an_id_that_begins_so(container, is_meant):
    assert is_named({"Name": "/shop-web-1", "Id": "1" * 64}, container) is is_meant


@pytest.mark.parametrize(("container", "told"), [("re:(", "no regular expression"), ("re:.*", "fits everything")])
def test_a_pattern_that_makes_no_sense_is_told(container, told):
    with pytest.raises(BadUsage, match=f"container: .*{told}"):
        is_named({"Name": "/shop-web-1", "Id": "1" * 64}, container)
