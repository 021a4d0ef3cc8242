"""The exit code of several exercises together."""

import itertools

import pytest

from chaoslab.cli.exits import worst

WORST_FIRST = [13, 143, 1, 2, 12, 10, 11, 0]


@pytest.mark.parametrize(("worse", "better"), list(itertools.combinations(WORST_FIRST, 2)))
def test_the_worse_outranks_the_better_in_any_order(worse, better):
    assert worst([worse, better]) == worst([better, worse]) == worse


@pytest.mark.parametrize(("codes", "code"), [([], 0), ([0, 0], 0), ([130, 143], 130), ([129], 129), ([99, 0], 99)])
def test_alone_it_is_itself(codes, code):
    assert worst(codes) == code
