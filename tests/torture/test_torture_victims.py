"""Every fault of chaoslab has somebody who can be hit by it, or a reason why not."""

from torture_registry import EVERY, WITHOUT, faults


def test_every_fault_has_a_victim_or_a_reason():
    named = {kind.name for kind in EVERY if kind.action.startswith("chaoslab.")}
    assert faults() - named - WITHOUT.keys() == set(), "write a victim, or the reason why there is none, in WITHOUT"


def test_no_victim_and_no_reason_is_of_a_fault_that_is_no_more():
    named = {kind.name for kind in EVERY if kind.action.startswith("chaoslab.")}
    assert (named | WITHOUT.keys()) - faults() == set()
    assert not named & WITHOUT.keys()
