"""How much of a disk is taken: the rule that a folder here and one in a container share."""

import pytest

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.resource.filling import Disk, asked_of, is_as_full, wanted_bytes

MIB = 1 << 20
DISK = Disk(used=40 * MIB, free=60 * MIB)


def asked(share="", size="", floor="10MiB"):
    return asked_of(share, size, floor)


@pytest.mark.parametrize(
    ("wish", "mib"),
    [
        (asked(share="75%"), 35),
        (asked(share="100%"), 50),
        (asked(share="100%", floor="0B"), 60),
        (asked(size="50MiB"), 50),
    ],
    ids=["share", "floor", "no-floor", "size"],
)
def test_as_much_is_taken_as_was_asked_for_and_the_floor_allows(wish, mib):
    taken = wanted_bytes(DISK, wish, "/there")
    assert taken == mib * MIB
    assert not is_as_full(DISK, wish, taken=0)
    assert is_as_full(Disk(DISK.used + taken, DISK.free - taken), wish, taken=taken)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (asked(share="40%"), "40% of the file system of /there is used, and 60 MiB are free"),
        (asked(share="90%", floor="60MiB"), "leaves no more than the floor"),
        (asked(size="51MiB"), "/there: 51 MiB of 60 MiB free would not leave the floor of 10 MiB"),
    ],
)
def test_a_disk_that_is_full_enough_or_would_be_too_full_is_refused(wish, told):
    with pytest.raises(Refused, match=told):
        wanted_bytes(DISK, wish, "/there")


def test_a_size_that_the_file_does_not_take_is_not_taken_however_full_the_disk_is():
    """A file system that compresses takes nothing for zeros."""
    assert not is_as_full(DISK, asked(size="20MiB"), taken=1 * MIB)
    assert is_as_full(DISK, asked(size="20MiB"), taken=20 * MIB)


def test_either_a_share_or_a_size_is_asked_for():
    for both_or_none in ({}, {"share": "50%", "size": "1MiB"}):
        with pytest.raises(BadUsage, match="give either share or size"):
            asked(**both_or_none)
