"""Accepted differences: told, with their reason, and no longer counted."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.comparison.accepting import parse_accepted, with_accepted
from chaoslab.postgres.difference import Difference

TEXT = "owner-differs: roles are made by Terraform; table-missing@staging.*: filled anew every night"


def test_codes_places_and_reasons():
    first, second = parse_accepted(TEXT)
    assert (first.code, first.where, first.reason) == ("owner-differs", "*", "roles are made by Terraform")
    assert (second.code, second.where, second.reason) == ("table-missing", "staging.*", "filled anew every night")
    assert parse_accepted("") == parse_accepted(" ; \n") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("owner-difers: why", "owner-differs"),
        ("owner-differs", "needs a reason"),
        ("owner-differs: ", "needs a reason"),
        ("owner-differs@public.*", "needs a reason"),
        ("backup-truncated: we like it short", "can be accepted"),
        ("recovery-point-beyond-objective: never mind", "can be accepted"),
        ("scratch-server-died: it happens", "can be accepted"),
    ],
)
def test_what_cannot_be_accepted(text, told):
    with pytest.raises(BadUsage, match=told):
        parse_accepted(text)


def test_accepted_ones_become_notes_and_others_stay():
    found = with_accepted(
        [
            Difference("owner-differs", "table a", "differs"),
            Difference("role-missing", "app", "gone"),
            Difference("table-missing", "staging.a", "gone"),
            Difference("table-missing", "public.a", "gone"),
        ],
        parse_accepted(TEXT),
    )
    assert [one.severity for one in found] == ["note", "failure", "note", "failure"]
    assert "made by Terraform" in found[0].message
